/*
 * libFuzzer target over what JavaScript hands to the addon (native/addon/module.c, values.c): every method
 * with any values. Node-API is written down here as far as the addon reads by it: values are made from the
 * input when they are read, properties may throw as getters do, and a length may have changed when it is
 * asked for again. What reaches the engine must be what native/dpdk says that it takes.
 *
 * Not Node's own: a run of Node costs a thousand times as much, and has no AddressSanitizer.
 */
#include "../addon/event_bridge.h"
#include "../addon/reports.h"
#include "../addon/values.h"
#include "../core/file_lock.h"
#include "../core/log_file.h"
#include "../dpdk/confine.h"
#include "../test/check.h"
#include "input.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define METHODS 32
#define VALUES 8192

struct napi_value__ {
	napi_valuetype type;
	bool array;
	double number;
	uint32_t length; /* of an array or a string */
	char text[300];
};

static struct input in;
static struct napi_value__ values[VALUES], object;
static uint32_t n_values, n_methods, arguments;
static napi_property_descriptor methods[METHODS];
static bool thrown, running;
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
		"mergeable", "offloads", "forwardReserved", "keepTag", "only", "bridged", "floodStrays",
		"loops"};
	static const char *const lists[] = {"workers", "vlans"};
	uint8_t how = in_u8(&in);
	struct napi_value__ *v = fresh(napi_number);
	uint32_t kind = how >= 230		      ? how % 8
			: ends_with(name, texts, 7)   ? 1
			: ends_with(name, truths, 12) ? 2
			: ends_with(name, lists, 2)   ? 3
			: strcmp(name, "owner") == 0  ? 4
						      : 0;

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

/* Reached with a value that was not taken, or beside one that was refused: then JavaScript would never know.
 */
static void reached(void)
{
	REQUIRE(!thrown);
}

static void require_text(const char *s, size_t least, size_t most)
{
	REQUIRE(strlen(s) >= least && strlen(s) <= most);
}

static void require_owner(const struct vh_owner *o)
{
	REQUIRE(o->pid >= 0 && (o->by_user || o->uid == 0) && o->uid != (uid_t)-1);
	require_text(o->pid_file, 0, sizeof(o->pid_file) - 1);
}

bool vh_engine_running(void)
{
	return running;
}

int vh_engine_start(const struct vh_engine_options *o, char *error, size_t n)
{
	reached();
	REQUIRE(o->workers >= 1 && o->workers <= VH_MAX_WORKERS);
	for (uint32_t i = 0; i < o->workers; i++)
		REQUIRE(o->cpu[i] >= -1 && o->cpu[i] <= 1023);
	REQUIRE(o->eal.memory_mb >= 16 && o->eal.channels <= 32 && o->descriptors >= 1);
	REQUIRE(o->eal.log_level >= 1 && o->eal.log_level <= 8 && o->retry_times <= 1000);
	REQUIRE(o->retry_delay_us <= 1000000 && o->direct.rx_descriptors >= 1 &&
		o->direct.tx_descriptors >= 1);
	REQUIRE(o->direct.rx_descriptors <= 32768 && o->direct.tx_descriptors <= 32768);
	running = in_u8(&in) < 200;
	if (!running)
		snprintf(error, n, "no");
	return running ? 0 : -1;
}

void vh_engine_stop(void)
{
	running = false;
}

int vh_engine_add_port(const struct vh_session_options *o, char *error, size_t n)
{
	reached();
	require_text(o->name, 1, VH_MAX_NAME - 1);
	require_text(o->path, 1, VH_MAX_SOCKET_PATH);
	require_text(o->records, 1, VH_MAX_RECORDS_PATH);
	REQUIRE(o->pairs >= 1 && o->pairs <= VH_MAX_PAIRS && o->mac_limit >= 1 && o->socket_mode <= 0777);
	REQUIRE(o->socket_gid >= -1 && o->vlan.mode <= VH_VLAN_TRUNK && o->vlan.id < VH_VLANS);
	REQUIRE(vh_vlan_allows(&o->vlan, o->vlan.id));
	require_owner(&o->owner);
	snprintf(error, n, "no");
	return in_u8(&in) < 128 ? 3 : -12;
}

int vh_engine_own(uint16_t id, const struct vh_owner *o)
{
	reached();
	REQUIRE(id < VH_MAX_PORTS);
	require_owner(o);
	return 0;
}

int vh_engine_add_uplink(const struct vh_uplink_options *o, char *error, size_t n)
{
	reached();
	require_text(o->name, 1, VH_MAX_NAME - 1);
	require_text(o->device, 1, VH_MAX_DEVICE - 1);
	REQUIRE(o->queues >= 1 && o->queues <= VH_UPLINK_QUEUES && o->mtu <= 9978 && o->buffers <= 1U << 24);
	REQUIRE(o->pools < VH_POOLS);
	snprintf(error, n, "no");
	return in_u8(&in) < 128 ? VH_MAX_PORTS : -12;
}

/* A port's number, or an uplink's. */
static int numbered(uint32_t id, uint32_t from, uint32_t to)
{
	reached();
	REQUIRE(id >= from && id < to);
	return 0;
}

int vh_engine_remove_port(uint16_t id)
{
	return numbered(id, 0, VH_MAX_PORTS);
}

int vh_engine_listen_again(uint16_t id)
{
	return numbered(id, 0, VH_MAX_PORTS);
}

int vh_engine_remove_uplink(uint16_t id)
{
	return numbered(id, VH_MAX_PORTS, VH_MAX_IDS);
}

uint32_t vh_engine_age_macs(uint32_t seconds)
{
	return (uint32_t)numbered(seconds, 0, (uint32_t)INT32_MAX + 1);
}

static int take_path(const char *path)
{
	reached();
	require_text(path, 1, 4094);
	return -2;
}

int vh_file_lock(const char *path)
{
	return take_path(path);
}

int vh_dir_lock(const char *path)
{
	return take_path(path);
}

int vh_log_to(const char *path)
{
	return take_path(path);
}

/* close(), which the addon's unlock() is: of no descriptor of this process. */
int __wrap_close(int fd);

int __wrap_close(int fd)
{
	REQUIRE(fd >= 0);
	return 0;
}

bool vh_bridge_open(napi_env env, napi_value callback)
{
	(void)env, (void)callback;
	return true;
}

/* The rest takes nothing from JavaScript. */
void vh_bridge_close(void)
{
}
void vh_engine_drain(void)
{
}
void vh_engine_tend_pools(void)
{
}
int vh_engine_spread(void)
{
	return 0;
}
int vh_confine_process(void)
{
	return 0;
}
const char *vh_engine_dpdk_version(void)
{
	return "0";
}
const char *vh_engine_instruction_set(void)
{
	return "none";
}
uint32_t vh_workers_count(void)
{
	return 0;
}
bool vh_engine_port(uint16_t id, struct vh_port_info *out)
{
	return (void)id, (void)out, false;
}
bool vh_engine_uplink(uint16_t id, struct vh_uplink_info *out)
{
	return (void)id, (void)out, false;
}
uint32_t vh_engine_macs(struct vh_mac_entry *out, uint32_t n)
{
	return (void)out, (void)n, 0;
}
struct vh_session *vh_session_by_path(const char *path)
{
	return (void)path, NULL;
}
napi_value vh_report_port(napi_env env, const struct vh_port_info *p)
{
	return (void)p, vh_object(env);
}
napi_value vh_report_uplink(napi_env env, const struct vh_uplink_info *u)
{
	return (void)u, vh_object(env);
}
napi_value vh_report_mac(napi_env env, const struct vh_mac_entry *m)
{
	return (void)m, vh_object(env);
}
napi_value vh_report_worker(napi_env env, uint32_t id)
{
	return (void)id, vh_object(env);
}
napi_value vh_report_limits(napi_env env)
{
	return vh_object(env);
}
napi_value vh_report_drop_reasons(napi_env env)
{
	return vh_object(env);
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
		running = strcmp(m->utf8name, "start") != 0 && how % 16 != 0;
		arguments = how % 8 == 1 ? 0 : 2;
		(void)m->method((napi_env)&object, NULL);
	}
	/* The engine is started once per environment. */
	for (uint32_t i = 0; i < n_methods; i++)
		if (strcmp(methods[i].utf8name, "stop") == 0)
			(void)methods[i].method((napi_env)&object, NULL);
	return 0;
}
