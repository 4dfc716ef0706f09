#include "values.h"

#include <stdio.h>
#include <string.h>

napi_value vh_throw(napi_env env, const char *code, const char *message)
{
	napi_throw_error(env, code, message);
	return NULL;
}

napi_value vh_throw_errno(napi_env env, int error, const char *message)
{
	const char *name = strerrorname_np(-error);

	return vh_throw(env, name != NULL ? name : "EIO", message);
}

static bool misuse(napi_env env, const char *name, const char *what)
{
	char message[160];

	snprintf(message, sizeof(message), "%s: %s", name, what);
	napi_throw_type_error(env, "EINVAL", message);
	return false;
}

static bool integer(napi_env env, napi_value value, const char *name, int64_t min, int64_t max, int64_t *out)
{
	double number;
	char what[80];

	if (napi_get_value_double(env, value, &number) == napi_ok && number >= (double)min &&
		number <= (double)max && number == (double)(int64_t)number) {
		*out = (int64_t)number;
		return true;
	}
	snprintf(what, sizeof(what), "must be an integer from %lld to %lld", (long long)min, (long long)max);
	return misuse(env, name, what);
}

/* Return: whether there is an object to read from. */
static bool property(napi_env env, napi_value object, const char *name, napi_value *out)
{
	napi_valuetype type;

	if (napi_typeof(env, object, &type) != napi_ok || type != napi_object ||
		napi_get_named_property(env, object, name, out) != napi_ok)
		return misuse(env, name, "the options must be an object");
	return true;
}

bool vh_get_int(napi_env env, napi_value object, const char *name, int64_t min, int64_t max, int64_t *out)
{
	napi_value value;

	return property(env, object, name, &value) && integer(env, value, name, min, max, out);
}

bool vh_get_bool(napi_env env, napi_value object, const char *name, bool *out)
{
	napi_value value;

	if (!property(env, object, name, &value))
		return false;
	return napi_get_value_bool(env, value, out) == napi_ok || misuse(env, name, "must be true or false");
}

bool vh_get_string(napi_env env, napi_value object, const char *name, char *out, size_t room)
{
	if (!vh_get_text(env, object, name, out, room))
		return false;
	return out[0] != '\0' || misuse(env, name, "is empty");
}

bool vh_get_text(napi_env env, napi_value object, const char *name, char *out, size_t room)
{
	napi_value value;
	size_t length;

	if (!property(env, object, name, &value))
		return false;
	if (napi_get_value_string_utf8(env, value, NULL, 0, &length) != napi_ok)
		return misuse(env, name, "must be a string");
	if (length >= room)
		return misuse(env, name, "is too long");
	if (napi_get_value_string_utf8(env, value, out, room, &length) != napi_ok || strlen(out) != length)
		return misuse(env, name, "has a zero byte in it");
	return true;
}

bool vh_get_ints(napi_env env, napi_value object, const char *name, int64_t min, int64_t max, int *out,
	uint32_t room, uint32_t *n)
{
	napi_value array, element;
	bool is_array = false;

	if (!property(env, object, name, &array))
		return false;
	if (napi_is_array(env, array, &is_array) != napi_ok || !is_array ||
		napi_get_array_length(env, array, n) != napi_ok || *n == 0 || *n > room)
		return misuse(
			env, name, "must be an array with a number of elements that the switch can serve");
	for (uint32_t i = 0; i < *n; i++) {
		int64_t number;

		if (napi_get_element(env, array, i, &element) != napi_ok ||
			!integer(env, element, name, min, max, &number))
			return false;
		out[i] = (int)number;
	}
	return true;
}

bool vh_arg_int(napi_env env, napi_callback_info info, int64_t min, int64_t max, int64_t *out)
{
	napi_value argv[1];
	size_t argc = 1;

	if (napi_get_cb_info(env, info, &argc, argv, NULL, NULL) != napi_ok || argc < 1)
		return misuse(env, "argument", "is missing");
	return integer(env, argv[0], "argument", min, max, out);
}

/* The setters below fail only when an exception or the end of the environment is pending: then nobody looks.
 */

void vh_set(napi_env env, napi_value object, const char *name, napi_value value)
{
	napi_set_named_property(env, object, name, value);
}

void vh_set_int(napi_env env, napi_value object, const char *name, int64_t value)
{
	napi_value v;

	if (napi_create_int64(env, value, &v) == napi_ok)
		vh_set(env, object, name, v);
}

void vh_set_big(napi_env env, napi_value object, const char *name, uint64_t value)
{
	napi_value v;

	if (napi_create_bigint_uint64(env, value, &v) == napi_ok)
		vh_set(env, object, name, v);
}

void vh_set_bool(napi_env env, napi_value object, const char *name, bool value)
{
	napi_value v;

	if (napi_get_boolean(env, value, &v) == napi_ok)
		vh_set(env, object, name, v);
}

void vh_set_string(napi_env env, napi_value object, const char *name, const char *value)
{
	napi_value v;

	if (napi_create_string_utf8(env, value, NAPI_AUTO_LENGTH, &v) == napi_ok)
		vh_set(env, object, name, v);
}

napi_value vh_object(napi_env env)
{
	napi_value v = NULL;

	napi_create_object(env, &v);
	return v;
}

napi_value vh_array(napi_env env)
{
	napi_value v = NULL;

	napi_create_array(env, &v);
	return v;
}

void vh_append(napi_env env, napi_value array, uint32_t at, napi_value value)
{
	napi_set_element(env, array, at, value);
}
