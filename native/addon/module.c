/*
 * The addon: glue between src/switch/addon/native.ts and native/dpdk/engine/engine.h, nothing else.
 *
 * EAL and the engine are one per process; the environment (main thread or worker thread of Node) that started
 * them owns them, and its end stops them. Other environments may load the addon and are refused a start.
 */
#include "event_bridge.h"
#include "reports.h"
#include "values.h"
#include "../base/file_lock.h"
#include "../base/log_file.h"
#include "../dpdk/runtime/sandbox.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The environment that started the engine; NULL while nobody has. */
static napi_env owner;

static void end_of_owner(void *arg)
{
	(void)arg;
	vh_engine_stop();
	vh_bridge_close();
	owner = NULL;
}

/* Return: whether the engine runs and belongs to env; otherwise an exception is pending. */
static bool must_own(napi_env env)
{
	if (vh_engine_running() && owner == env)
		return true;
	vh_throw(env, "ENOTCONN", "the engine does not run here");
	return false;
}

static bool read_options(
	napi_env env, napi_value object, struct vh_engine_options *o, int cpu[VH_MAX_WORKERS])
{
	int64_t memory, channels, descriptors, level, times, delay, rx, tx;
	char poll[16];

	if (!vh_get_ints(env, object, "workers", -1, 1023, cpu, VH_MAX_WORKERS, &o->workers) ||
		!vh_get_bool(env, object, "hugepages", &o->eal.hugepages) ||
		!vh_get_bool(env, object, "physicalAddresses", &o->eal.physical) ||
		!vh_get_int(env, object, "memoryMb", 16, 1 << 20, &memory) ||
		!vh_get_int(env, object, "memoryChannels", 0, 32, &channels) ||
		!vh_get_int(env, object, "frontEndDescriptors", 1, INT32_MAX, &descriptors) ||
		!vh_get_int(env, object, "logLevel", 1, 8, &level) ||
		!vh_get_int(env, object, "rxRetryNum", 0, 1000, &times) ||
		!vh_get_int(env, object, "rxRetryDelayUs", 0, 1000000, &delay) ||
		!vh_get_bool(env, object, "isolate", &o->isolate) ||
		!vh_get_bool(env, object, "zeroCopy", &o->direct.on) ||
		!vh_get_int(env, object, "rxDescriptors", 1, 32768, &rx) ||
		!vh_get_int(env, object, "txDescriptors", 1, 32768, &tx) ||
		!vh_get_string(env, object, "poll", poll, sizeof(poll)))
		return false;
	if (strcmp(poll, "adaptive") != 0 && strcmp(poll, "busy") != 0) {
		vh_throw(env, "EINVAL", "poll: must be adaptive or busy");
		return false;
	}
	o->cpu = cpu;
	o->eal.memory_mb = (unsigned int)memory;
	o->eal.channels = (unsigned int)channels;
	o->descriptors = (int)descriptors;
	o->eal.log_level = (unsigned int)level;
	o->adaptive = poll[0] == 'a';
	o->direct.rx_descriptors = (uint16_t)rx;
	o->direct.tx_descriptors = (uint16_t)tx;
	o->retry_times = (uint32_t)times;
	o->retry_delay_us = (uint32_t)delay;
	/* For comparisons of builds; what users get is the newest their CPU runs. */
	o->instruction_set = getenv("VHOST_HOST_INSTRUCTION_SET");
	return true;
}

static napi_value start(napi_env env, napi_callback_info info)
{
	struct vh_engine_options o = {0};
	int cpu[VH_MAX_WORKERS];
	napi_value argv[2], result;
	size_t argc = 2;
	char error[512];

	if (napi_get_cb_info(env, info, &argc, argv, NULL, NULL) != napi_ok || argc < 2)
		return vh_throw(env, "EINVAL", "start(options, onEvents)");
	if (owner != NULL)
		return vh_throw(env, "EALREADY", "the engine can be started once per process");
	if (!read_options(env, argv[0], &o, cpu) || !vh_bridge_open(env, argv[1]))
		return NULL;
	if (vh_engine_start(&o, error, sizeof(error)) != 0) {
		vh_bridge_close();
		return vh_throw(env, "EIO", error);
	}
	owner = env;
	napi_add_env_cleanup_hook(env, end_of_owner, NULL);
	result = vh_object(env);
	vh_set_string(env, result, "dpdkVersion", vh_engine_dpdk_version());
	vh_set_string(env, result, "instructionSet", vh_engine_instruction_set());
	vh_set_bool(env, result, "hugepages", o.eal.hugepages);
	return result;
}

static napi_value stop(napi_env env, napi_callback_info info)
{
	(void)info;
	if (owner == env && owner != NULL) {
		napi_remove_env_cleanup_hook(env, end_of_owner, NULL);
		end_of_owner(NULL);
	}
	return NULL;
}

/* Return: whether it was good; otherwise an exception is pending. */
static bool read_vlan(napi_env env, napi_value object, struct vh_vlan *v)
{
	static const char *const modes[] = {[VH_VLAN_NONE] = "none",
		[VH_VLAN_AUTO] = "auto",
		[VH_VLAN_ACCESS] = "access",
		[VH_VLAN_TRUNK] = "trunk"};
	int vlans[VH_VLANS];
	char mode[8];
	uint32_t n;

	if (!vh_get_string(env, object, "vlanMode", mode, sizeof(mode)) ||
		!vh_get_bool(env, object, "keepTag", &v->keep_tag) ||
		!vh_get_ints(env, object, "vlans", 0, VH_VLANS - 1, vlans, VH_VLANS, &n))
		return false;
	while (v->mode <= VH_VLAN_TRUNK && strcmp(modes[v->mode], mode) != 0)
		v->mode++;
	if (v->mode > VH_VLAN_TRUNK) {
		vh_throw(env, "EINVAL", "vlanMode: must be none, auto, access or trunk");
		return false;
	}
	v->id = (uint16_t)vlans[0];
	for (uint32_t i = 0; i < n; i++)
		vh_vlan_allow(v, (uint16_t)vlans[i]);
	return true;
}

/* `object.owner`. Return: whether it was good; otherwise an exception is pending. */
static bool read_owner(napi_env env, napi_value object, struct vh_owner *o)
{
	napi_value owner;
	int64_t pid, began, uid;

	if (napi_get_named_property(env, object, "owner", &owner) != napi_ok ||
		!vh_get_int(env, owner, "pid", 0, INT32_MAX, &pid) ||
		!vh_get_int(env, owner, "started", 0, INT64_MAX >> 10, &began) ||
		!vh_get_bool(env, owner, "only", &o->only) ||
		!vh_get_int(env, owner, "uid", -1, UINT32_MAX - 1LL, &uid) ||
		!vh_get_bool(env, owner, "bridged", &o->bridged) ||
		!vh_get_text(env, owner, "pidFile", o->pid_file, sizeof(o->pid_file)))
		return false;
	o->by_user = uid >= 0;
	o->uid = o->by_user ? (uid_t)uid : 0;
	o->pid = (pid_t)pid;
	o->began = (uint64_t)began;
	return true;
}

/* Gets the one argument of a call that needs the engine. Return: whether both are there; otherwise an
 * exception is pending. */
static bool owner_gives(napi_env env, napi_callback_info info, const char *usage, napi_value *options)
{
	size_t argc = 1;

	if (!must_own(env))
		return false;
	if (napi_get_cb_info(env, info, &argc, options, NULL, NULL) == napi_ok && argc >= 1)
		return true;
	vh_throw(env, "EINVAL", usage);
	return false;
}

static napi_value own(napi_env env, napi_callback_info info)
{
	struct vh_owner owner = {0};
	napi_value options;
	int64_t id;

	if (!owner_gives(env, info, "own(options)", &options))
		return NULL;
	if (!vh_get_int(env, options, "id", 0, VH_MAX_PORTS - 1, &id) || !read_owner(env, options, &owner))
		return NULL;
	if (vh_engine_own((uint16_t)id, &owner) != 0)
		return vh_throw(env, "ENOENT", "no port has this number");
	return NULL;
}

static napi_value add_port(napi_env env, napi_callback_info info)
{
	char name[VH_MAX_NAME], path[VH_MAX_SOCKET_PATH + 1], records[VH_MAX_RECORDS_PATH + 1], error[512];
	int64_t pairs, mode, gid, mac_limit;
	bool mergeable, offloads, forward_reserved;
	struct vh_vlan vlan = {0};
	struct vh_owner owner = {0};
	napi_value options, result = NULL;
	int id;

	if (!owner_gives(env, info, "addPort(options)", &options))
		return NULL;
	if (!vh_get_string(env, options, "name", name, sizeof(name)) ||
		!vh_get_string(env, options, "socketPath", path, sizeof(path)) ||
		!vh_get_string(env, options, "recordsPath", records, sizeof(records)) ||
		!vh_get_int(env, options, "queuePairs", 1, VH_MAX_PAIRS, &pairs) ||
		!vh_get_bool(env, options, "mergeable", &mergeable) ||
		!vh_get_bool(env, options, "offloads", &offloads) ||
		!vh_get_bool(env, options, "forwardReserved", &forward_reserved) ||
		!vh_get_int(env, options, "macLimit", 1, VH_MAC_BUCKETS * VH_MAC_SLOTS, &mac_limit) ||
		!vh_get_int(env, options, "socketMode", 0, 0777, &mode) ||
		!vh_get_int(env, options, "socketGid", -1, INT32_MAX, &gid) ||
		!read_vlan(env, options, &vlan) || !read_owner(env, options, &owner))
		return NULL;
	if (vh_session_by_path(path) != NULL)
		return vh_throw(env, "EEXIST", "another port has this socket");
	id = vh_engine_add_port(&(struct vh_session_options){.name = name,
					.path = path,
					.records = records,
					.pairs = (uint16_t)pairs,
					.mergeable = mergeable,
					.offloads = offloads,
					.forward_reserved = forward_reserved,
					.mac_limit = (uint16_t)mac_limit,
					.vlan = vlan,
					.socket_mode = (unsigned int)mode,
					.socket_gid = (int)gid,
					.owner = owner},
		error, sizeof(error));
	if (id < 0)
		return vh_throw_errno(env, id, error);
	napi_create_int32(env, id, &result);
	return result;
}

static napi_value remove_port(napi_env env, napi_callback_info info)
{
	int64_t id;

	if (!must_own(env) || !vh_arg_int(env, info, 0, VH_MAX_PORTS - 1, &id))
		return NULL;
	if (vh_engine_remove_port((uint16_t)id) != 0)
		return vh_throw(env, "ENOENT", "no port has this number");
	return NULL;
}

static napi_value listen_again(napi_env env, napi_callback_info info)
{
	int64_t id;
	int error;

	if (!must_own(env) || !vh_arg_int(env, info, 0, VH_MAX_PORTS - 1, &id))
		return NULL;
	error = vh_engine_listen_again((uint16_t)id);
	return error == 0 ? NULL : vh_throw_errno(env, error, strerror(-error));
}

static napi_value ports(napi_env env, napi_callback_info info)
{
	napi_value array;
	uint32_t n = 0;

	(void)info;
	if (!must_own(env))
		return NULL;
	array = vh_array(env);
	for (uint16_t id = 0; id < VH_MAX_PORTS; id++) {
		struct vh_port_info port;

		if (vh_engine_port(id, &port))
			vh_append(env, array, n++, vh_report_port(env, &port));
	}
	return array;
}

static napi_value add_uplink(napi_env env, napi_callback_info info)
{
	char name[VH_MAX_NAME], device[VH_MAX_DEVICE], error[512];
	struct vh_uplink_options o = {.name = name, .device = device};
	int64_t queues, mtu, buffers, pools;
	napi_value options, result = NULL;
	int id;

	if (!owner_gives(env, info, "addUplink(options)", &options))
		return NULL;
	if (!vh_get_string(env, options, "name", name, sizeof(name)) ||
		!vh_get_string(env, options, "device", device, sizeof(device)) ||
		!vh_get_int(env, options, "queues", 1, VH_UPLINK_QUEUES, &queues) ||
		!vh_get_int(env, options, "mtu", 0, 9978, &mtu) ||
		!vh_get_int(env, options, "buffers", 0, 1 << 24, &buffers) ||
		!vh_get_bool(env, options, "floodUnknownUnicast", &o.flood_unknown_unicast) ||
		!vh_get_bool(env, options, "forwardReserved", &o.forward_reserved) ||
		!vh_get_int(env, options, "pools", 0, VH_POOLS - 1, &pools) ||
		!vh_get_bool(env, options, "loops", &o.loops))
		return NULL;
	o.queues = (uint16_t)queues;
	o.mtu = (uint32_t)mtu;
	o.buffers = (uint32_t)buffers;
	o.pools = (uint16_t)pools;
	id = vh_engine_add_uplink(&o, error, sizeof(error));
	if (id < 0)
		return vh_throw_errno(env, id, error);
	napi_create_int32(env, id, &result);
	return result;
}

static napi_value remove_uplink(napi_env env, napi_callback_info info)
{
	int64_t id;

	if (!must_own(env) || !vh_arg_int(env, info, VH_MAX_PORTS, VH_MAX_IDS - 1, &id))
		return NULL;
	if (vh_engine_remove_uplink((uint16_t)id) != 0)
		return vh_throw(env, "ENOENT", "no uplink has this number");
	return NULL;
}

static napi_value uplinks(napi_env env, napi_callback_info info)
{
	napi_value array;
	uint32_t n = 0;

	(void)info;
	if (!must_own(env))
		return NULL;
	array = vh_array(env);
	for (uint16_t id = VH_MAX_PORTS; id < VH_MAX_IDS; id++) {
		struct vh_uplink_info uplink;

		if (vh_engine_uplink(id, &uplink))
			vh_append(env, array, n++, vh_report_uplink(env, &uplink));
	}
	return array;
}

static napi_value tend_pools(napi_env env, napi_callback_info info)
{
	(void)info;
	if (must_own(env))
		vh_engine_tend_pools();
	return NULL;
}

static napi_value drain(napi_env env, napi_callback_info info)
{
	(void)info;
	if (must_own(env))
		vh_engine_drain();
	return NULL;
}

static napi_value macs(napi_env env, napi_callback_info info)
{
	/* Main thread of one environment only, and too large for its stack. */
	static struct vh_mac_entry entries[VH_MAC_BUCKETS * VH_MAC_SLOTS];
	napi_value array;
	uint32_t n;

	(void)info;
	if (!must_own(env))
		return NULL;
	array = vh_array(env);
	n = vh_engine_macs(entries, VH_MAC_BUCKETS * VH_MAC_SLOTS);
	for (uint32_t i = 0; i < n; i++)
		vh_append(env, array, i, vh_report_mac(env, &entries[i]));
	return array;
}

static napi_value age_macs(napi_env env, napi_callback_info info)
{
	int64_t seconds;
	napi_value result = NULL;

	if (!must_own(env) || !vh_arg_int(env, info, 0, INT32_MAX, &seconds))
		return NULL;
	napi_create_uint32(env, vh_engine_age_macs((uint32_t)seconds), &result);
	return result;
}

static napi_value rebalance(napi_env env, napi_callback_info info)
{
	napi_value result = NULL;
	int moved;

	(void)info;
	if (!must_own(env))
		return NULL;
	moved = vh_engine_rebalance();
	if (moved < 0)
		return vh_throw_errno(env, moved, "out of memory");
	napi_create_int32(env, moved, &result);
	return result;
}

static napi_value workers(napi_env env, napi_callback_info info)
{
	napi_value array;

	(void)info;
	if (!must_own(env))
		return NULL;
	array = vh_array(env);
	for (uint32_t i = 0; i < vh_workers_count(); i++)
		vh_append(env, array, i, vh_report_worker(env, i));
	return array;
}

/* Calls `work` with the one argument, a path. Return: what it gives, -1 for -EWOULDBLOCK; or throws. */
static napi_value with_path(napi_env env, napi_callback_info info, int (*work)(const char *path))
{
	char path[4096], message[4200];
	napi_value argv[1], result = NULL;
	size_t argc = 1, length;
	int got;

	if (napi_get_cb_info(env, info, &argc, argv, NULL, NULL) != napi_ok || argc < 1 ||
		napi_get_value_string_utf8(env, argv[0], path, sizeof(path), &length) != napi_ok ||
		length == 0 || length >= sizeof(path) - 1 || strlen(path) != length)
		return vh_throw(env, "EINVAL", "the path must be a non-empty string");
	got = work(path);
	if (got < 0 && got != -EWOULDBLOCK) {
		snprintf(message, sizeof(message), "%s: %s", path, strerror(-got));
		return vh_throw_errno(env, got, message);
	}
	napi_create_int32(env, got < 0 ? -1 : got, &result);
	return result;
}

static napi_value confine(napi_env env, napi_callback_info info)
{
	int error = vh_confine_process();

	(void)info;
	return error == 0 ? NULL : vh_throw_errno(env, error, strerror(-error));
}

static napi_value lock(napi_env env, napi_callback_info info)
{
	return with_path(env, info, vh_file_lock);
}

static napi_value lock_directory(napi_env env, napi_callback_info info)
{
	return with_path(env, info, vh_dir_lock);
}

static napi_value log_to(napi_env env, napi_callback_info info)
{
	return with_path(env, info, vh_log_to);
}

static napi_value unlock(napi_env env, napi_callback_info info)
{
	int64_t fd;

	if (vh_arg_int(env, info, 0, INT32_MAX, &fd))
		close((int)fd);
	return NULL;
}

#define METHOD(name, function)                                                                               \
	((napi_property_descriptor){name, NULL, function, NULL, NULL, NULL, napi_enumerable, NULL})

NAPI_MODULE_INIT()
{
	const napi_property_descriptor methods[] = {
		METHOD("start", start),
		METHOD("stop", stop),
		METHOD("addPort", add_port),
		METHOD("removePort", remove_port),
		METHOD("ports", ports),
		METHOD("addUplink", add_uplink),
		METHOD("removeUplink", remove_uplink),
		METHOD("uplinks", uplinks),
		METHOD("tendPools", tend_pools),
		METHOD("drain", drain),
		METHOD("macs", macs),
		METHOD("ageMacs", age_macs),
		METHOD("workers", workers),
		METHOD("rebalance", rebalance),
		METHOD("lock", lock),
		METHOD("unlock", unlock),
		METHOD("lockDirectory", lock_directory),
		METHOD("logTo", log_to),
		METHOD("listenAgain", listen_again),
		METHOD("own", own),
		METHOD("confine", confine),
	};

	if (napi_define_properties(env, exports, sizeof(methods) / sizeof(methods[0]), methods) != napi_ok)
		return NULL;
	vh_set(env, exports, "limits", vh_report_limits(env));
	vh_set(env, exports, "dropReasons", vh_report_drop_reasons(env));
	return exports;
}
