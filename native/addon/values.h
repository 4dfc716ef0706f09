/* Between JavaScript values and C ones: reading arguments with checks, building objects. */
#ifndef VH_ADDON_VALUES_H
#define VH_ADDON_VALUES_H

#include <node_api.h>
#include <stdbool.h>
#include <stdint.h>

/* Throws a JavaScript Error with a code (an errno name, or EINVAL for misuse). Return: NULL, to be returned
 * on. */
napi_value vh_throw(napi_env env, const char *code, const char *message);

/* As vh_throw() with the name of a negative errno as code. */
napi_value vh_throw_errno(napi_env env, int error, const char *message);

/*
 * Each reads property `name` of `object` and checks type and range.
 * Return: whether it was good; otherwise an exception naming the property is pending.
 */
bool vh_get_int(napi_env env, napi_value object, const char *name, int64_t min, int64_t max, int64_t *out);
bool vh_get_bool(napi_env env, napi_value object, const char *name, bool *out);
bool vh_get_string(napi_env env, napi_value object, const char *name, char *out, size_t room);
/* As vh_get_string(), and it may be empty. */
bool vh_get_text(napi_env env, napi_value object, const char *name, char *out, size_t room);

/* An array of integers; *n is how many (1..max). */
bool vh_get_ints(napi_env env, napi_value object, const char *name, int64_t min, int64_t max, int *out,
	uint32_t room, uint32_t *n);

/* One integer argument of a call with exactly one. */
bool vh_arg_int(napi_env env, napi_callback_info info, int64_t min, int64_t max, int64_t *out);

void vh_set(napi_env env, napi_value object, const char *name, napi_value value);
void vh_set_int(napi_env env, napi_value object, const char *name, int64_t value);
void vh_set_big(napi_env env, napi_value object, const char *name, uint64_t value);
void vh_set_bool(napi_env env, napi_value object, const char *name, bool value);
void vh_set_string(napi_env env, napi_value object, const char *name, const char *value);

napi_value vh_object(napi_env env);
napi_value vh_array(napi_env env);
void vh_append(napi_env env, napi_value array, uint32_t at, napi_value value);

#endif
