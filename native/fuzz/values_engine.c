/* The engine in the target `values`: all that reaches it must be good, and what JavaScript gave. */
#include "values.h"
#include "../addon/event_bridge.h"
#include "../addon/reports.h"
#include "../addon/values.h"
#include "../base/file_lock.h"
#include "../base/log_file.h"
#include "../dpdk/runtime/sandbox.h"
#include "../test/rig/check.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static bool running;

/* Reached with a value that was not taken, or beside one that was refused: then JavaScript would never know.
 */
static void reached(void)
{
	REQUIRE(!has_thrown());
}

/* Of these lengths, and byte for byte what was given. */
static void require_text(const char *name, const char *s, size_t least, size_t most)
{
	napi_value v = given(name, napi_string);

	REQUIRE(strlen(s) >= least && strlen(s) <= most);
	REQUIRE(v->length == strlen(s) && memcmp(v->text, s, v->length) == 0);
}

static void require_number(const char *name, int64_t n)
{
	REQUIRE(given(name, napi_number)->number == (double)n);
}

static void require_truth(const char *name, bool b)
{
	REQUIRE((given(name, napi_boolean)->number != 0) == b);
}

static void require_owner(const struct vh_owner *o)
{
	REQUIRE(o->pid >= 0 && (o->by_user || o->uid == 0) && o->uid != (uid_t)-1);
	require_number("pid", o->pid);
	require_number("started", (int64_t)o->began);
	require_number("uid", o->by_user ? (int64_t)o->uid : -1);
	require_truth("only", o->only);
	require_truth("bridged", o->bridged);
	require_text("pidFile", o->pid_file, 0, sizeof(o->pid_file) - 1);
}

void engine_runs(bool does)
{
	running = does;
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
	require_number("memoryMb", o->eal.memory_mb);
	require_number("frontEndDescriptors", o->descriptors);
	require_number("rxRetryNum", o->retry_times);
	require_number("rxRetryDelayUs", o->retry_delay_us);
	require_number("rxDescriptors", o->direct.rx_descriptors);
	require_number("txDescriptors", o->direct.tx_descriptors);
	require_truth("isolate", o->isolate);
	require_truth("zeroCopy", o->direct.on);
	running = chance() < 200;
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
	require_text("name", o->name, 1, VH_MAX_NAME - 1);
	require_text("socketPath", o->path, 1, VH_MAX_SOCKET_PATH);
	require_text("recordsPath", o->records, 1, VH_MAX_RECORDS_PATH);
	REQUIRE(o->pairs >= 1 && o->pairs <= VH_MAX_PAIRS && o->mac_limit >= 1 && o->socket_mode <= 0777);
	REQUIRE(o->socket_gid >= -1 && o->vlan.mode <= VH_VLAN_TRUNK && o->vlan.id < VH_VLANS);
	REQUIRE(vh_vlan_allows(&o->vlan, o->vlan.id));
	require_number("queuePairs", o->pairs);
	require_number("macLimit", o->mac_limit);
	require_number("socketMode", o->socket_mode);
	require_number("socketGid", o->socket_gid);
	require_truth("mergeable", o->mergeable);
	require_truth("offloads", o->offloads);
	require_truth("forwardReserved", o->forward_reserved);
	require_owner(&o->owner);
	snprintf(error, n, "no");
	return chance() < 128 ? 3 : -12;
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
	require_text("name", o->name, 1, VH_MAX_NAME - 1);
	require_text("device", o->device, 1, VH_MAX_DEVICE - 1);
	REQUIRE(o->queues >= 1 && o->queues <= VH_UPLINK_QUEUES && o->mtu <= 9978 && o->buffers <= 1U << 24);
	REQUIRE(o->pools < VH_POOLS);
	require_number("queues", o->queues);
	require_number("mtu", o->mtu);
	require_number("buffers", o->buffers);
	require_number("pools", o->pools);
	require_truth("floodUnknownUnicast", o->flood_unknown_unicast);
	require_truth("loops", o->loops);
	snprintf(error, n, "no");
	return chance() < 128 ? VH_MAX_PORTS : -12;
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
	require_text("argument", path, 1, 4094);
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
int vh_engine_rebalance(void)
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
