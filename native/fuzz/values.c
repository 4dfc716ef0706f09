/*
 * libFuzzer target over what JavaScript hands to the addon (native/addon/module.c, values.c): every method
 * with any values. Node-API is written down here as far as the addon reads by it: values are made from the
 * input when they are read, properties may throw as getters do, and a length may have changed when it is
 * asked for again. What reaches the engine must be what native/dpdk says that it takes, and the very numbers,
 * truths and texts that JavaScript gave.
 *
 * Not Node's own: a run of Node costs a thousand times as much, and has no AddressSanitizer.
 */
#include "values.h"
#include "../test/rig/check.h"
#include "rig/input.h"

#include <stdlib.h>
#include <string.h>

#define METHODS 32
#define VALUES 8192

static struct input in;
static struct napi_value__ values[VALUES], object;
static uint32_t n_values, n_methods, arguments;
static napi_property_descriptor methods[METHODS];
static bool thrown;
/* Names of properties come from the addon: what is usual for some of them. */
static const char *asked;

static double number(void)
{
	static const double edges[] = {0, -1, 1, 0.5, 4096, 1023, 1024, 2147483647, 2147483648.0,
		4294967295.0, 4294967296.0, 9007199254740993.0, 9.3e18, -9.3e18, 1e300, -0.0};
	uint8_t how = in_u8(&in);
	uint64_t bits;
	double any;

	if (how < 128)
		return how % 16;
	if (how < 240)
		return edges[how % 16];
	bits = in_u64(&in);
	memcpy(&any, &bits, sizeof(any));
	return any;
}

static void string(struct napi_value__ *v)
{
	static const char *const usual[] = {
		"adaptive", "busy", "none", "auto", "access", "trunk", "/run/port", ""};
	uint8_t how = in_u8(&in);

	v->type = napi_string;
	if (how < 160) {
		v->length = (uint32_t)strlen(usual[how % 8]);
		memcpy(v->text, usual[how % 8], v->length);
		return;
	}
	/* One that C would take for a shorter one. */
	if (how < 180) {
		v->length = 9;
		memcpy(v->text, how % 2 == 0 ? "/run\0port" : "none\0auto", v->length);
		return;
	}
	/* Long ones, and any bytes, zeroes among them. */
	v->length = how < 200 ? 100 + in_u8(&in) % 200U : in_u8(&in);
	for (uint32_t i = 0; i < v->length; i++)
		v->text[i] = how < 200 ? 'a' : (char)in_u8(&in);
}

static napi_value fresh(napi_valuetype type)
{
	REQUIRE(n_values < VALUES);
	memset(&values[n_values], 0, sizeof(values[0]));
	values[n_values].type = type;
	return &values[n_values++];
}

static bool ends_with(const char *name, const char *const *list, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		if (strcmp(name, list[i]) == 0)
			return true;
	return false;
}

/* What a property or an argument is: mostly of its own kind. */
static napi_value any(const char *name)
{
	static const char *const texts[] = {
		"poll", "name", "socketPath", "recordsPath", "device", "vlanMode", "pidFile"};
	static const char *const truths[] = {"hugepages", "physicalAddresses", "isolate", "zeroCopy",
		"mergeable", "offloads", "forwardReserved", "keepTag", "only", "bridged",
		"floodUnknownUnicast", "loops"};
	static const char *const lists[] = {"workers", "vlans"};
	uint8_t how = in_u8(&in);
	napi_value v = fresh(napi_number);
	uint32_t kind = how >= 230		      ? how % 8
			: ends_with(name, texts, 7)   ? 1
			: ends_with(name, truths, 12) ? 2
			: ends_with(name, lists, 2)   ? 3
			: strcmp(name, "owner") == 0  ? 4
						      : 0;

	v->name = name;
	if (kind == 1) {
		string(v);
	} else if (kind == 2) {
		v->type = napi_boolean;
		v->number = how % 2;
	} else if (kind == 3) {
		v->type = napi_object;
		v->array = true;
		v->length = how < 200 ? 1 + how % 16U : how < 215 ? in_u16(&in) : in_u32(&in);
	} else if (kind == 4) {
		v->type = napi_object;
	} else if (kind > 4) {
		v->type = kind == 5 ? napi_undefined : kind == 6 ? napi_null : napi_symbol;
	} else {
		v->number = number();
	}
	return v;
}

/* As a getter that throws now and then. */
static napi_status status(void)
{
	if (thrown)
		return napi_pending_exception;
	if (in.left == 0 || in_u8(&in) < 250)
		return napi_ok;
	thrown = true;
	return napi_pending_exception;
}

napi_status napi_get_cb_info(
	napi_env env, napi_callback_info info, size_t *argc, napi_value *argv, napi_value *this, void **data)
{
	size_t room = *argc;

	(void)env, (void)info, (void)this, (void)data;
	*argc = arguments;
	for (size_t i = 0; i < room; i++)
		argv[i] = i >= arguments     ? fresh(napi_undefined)
			  : in_u8(&in) < 240 ? &object
					     : any("argument");
	/* Methods of one number or path. */
	if (room == 1 && arguments > 0 && in_u8(&in) < 128)
		argv[0] = any(in_u8(&in) < 128 ? "argument" : "name");
	if (room == 1 && arguments > 0 && argv[0] != &object)
		argv[0]->name = "argument";
	return napi_ok;
}

napi_status napi_typeof(napi_env env, napi_value value, napi_valuetype *type)
{
	(void)env;
	*type = value->type;
	return napi_ok;
}

napi_status napi_get_named_property(napi_env env, napi_value from, const char *name, napi_value *out)
{
	(void)env;
	if (from->type == napi_undefined || from->type == napi_null)
		return napi_object_expected;
	asked = name;
	*out = any(name);
	return status();
}

napi_status napi_get_value_double(napi_env env, napi_value value, double *out)
{
	(void)env;
	if (value->type != napi_number)
		return napi_number_expected;
	*out = value->number;
	return napi_ok;
}

napi_status napi_get_value_bool(napi_env env, napi_value value, bool *out)
{
	(void)env;
	if (value->type != napi_boolean)
		return napi_boolean_expected;
	*out = value->number != 0;
	return napi_ok;
}

napi_status napi_get_value_string_utf8(napi_env env, napi_value value, char *to, size_t room, size_t *n)
{
	(void)env;
	if (value->type != napi_string)
		return napi_string_expected;
	if (to == NULL) {
		*n = value->length;
		return napi_ok;
	}
	REQUIRE(room > 0);
	*n = value->length < room - 1 ? value->length : room - 1;
	memcpy(to, value->text, *n);
	to[*n] = '\0';
	return napi_ok;
}

napi_status napi_is_array(napi_env env, napi_value value, bool *out)
{
	(void)env;
	*out = value->array;
	return napi_ok;
}

napi_status napi_get_array_length(napi_env env, napi_value value, uint32_t *n)
{
	(void)env;
	if (!value->array)
		return napi_array_expected;
	*n = value->length;
	return napi_ok;
}

napi_status napi_get_element(napi_env env, napi_value value, uint32_t i, napi_value *out)
{
	(void)env;
	REQUIRE(i < value->length);
	*out = any("element");
	return status();
}

napi_status napi_throw_error(napi_env env, const char *code, const char *message)
{
	(void)env;
	REQUIRE(code != NULL && code[0] != '\0' && strlen(message) < 5000);
	thrown = true;
	return napi_ok;
}

napi_status napi_throw_type_error(napi_env env, const char *code, const char *message)
{
	REQUIRE(thrown || asked == NULL || message[0] != '\0');
	return napi_throw_error(env, code, message);
}

napi_status napi_define_properties(napi_env env, napi_value to, size_t n, const napi_property_descriptor *p)
{
	(void)env, (void)to;
	REQUIRE(n > 15 && n <= METHODS);
	memcpy(methods, p, n * sizeof(*p));
	n_methods = (uint32_t)n;
	return napi_ok;
}

/* What answers are made of is not looked at. */
#define MAKES(name, type)                                                                                    \
	napi_status name(napi_env env, type value, napi_value *out)                                          \
	{                                                                                                    \
		(void)env, (void)value;                                                                      \
		*out = fresh(napi_number);                                                                   \
		return napi_ok;                                                                              \
	}
MAKES(napi_create_int32, int32_t)
MAKES(napi_create_uint32, uint32_t)
MAKES(napi_create_int64, int64_t)
MAKES(napi_create_bigint_uint64, uint64_t)
MAKES(napi_get_boolean, bool)

napi_status napi_create_string_utf8(napi_env env, const char *text, size_t n, napi_value *out)
{
	(void)env, (void)text, (void)n;
	*out = fresh(napi_string);
	return napi_ok;
}

napi_status napi_create_object(napi_env env, napi_value *out)
{
	(void)env;
	*out = fresh(napi_object);
	return napi_ok;
}

napi_status napi_create_array(napi_env env, napi_value *out)
{
	return napi_create_object(env, out);
}

napi_status napi_set_named_property(napi_env env, napi_value o, const char *name, napi_value value)
{
	(void)env, (void)o, (void)name, (void)value;
	return napi_ok;
}

napi_status napi_set_element(napi_env env, napi_value array, uint32_t i, napi_value value)
{
	(void)env, (void)array, (void)i, (void)value;
	return napi_ok;
}

napi_status napi_add_env_cleanup_hook(napi_env env, void (*hook)(void *), void *context)
{
	(void)env, (void)hook, (void)context;
	return napi_ok;
}

napi_status napi_remove_env_cleanup_hook(napi_env env, void (*hook)(void *), void *context)
{
	(void)env, (void)hook, (void)context;
	return napi_ok;
}

/* What NAPI_MODULE_INIT() makes. */
napi_value napi_register_module_v1(napi_env env, napi_value exports);

napi_value given(const char *name, napi_valuetype type)
{
	uint32_t i = n_values;

	while (i > 0 && (values[i - 1].name == NULL || strcmp(values[i - 1].name, name) != 0))
		i--;
	REQUIRE(i > 0 && values[i - 1].type == type);
	return &values[i - 1];
}

bool has_thrown(void)
{
	return thrown;
}

uint8_t chance(void)
{
	return in_u8(&in);
}

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc, (void)argv;
	object.type = napi_object;
	REQUIRE(napi_register_module_v1((napi_env)&object, &object) == &object);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	in = (struct input){.p = data, .left = size};
	for (int i = 0; i < 4 && in.left > 0; i++) {
		const napi_property_descriptor *m = &methods[in_u8(&in) % n_methods];
		uint8_t how = in_u8(&in);

		n_values = 0;
		thrown = false;
		asked = NULL;
		engine_runs(strcmp(m->utf8name, "start") != 0 && how % 16 != 0);
		arguments = how % 8 == 1 ? 0 : 2;
		(void)m->method((napi_env)&object, NULL);
	}
	/* The engine is started once per environment. */
	for (uint32_t i = 0; i < n_methods; i++)
		if (strcmp(methods[i].utf8name, "stop") == 0)
			(void)methods[i].method((napi_env)&object, NULL);
	return 0;
}
