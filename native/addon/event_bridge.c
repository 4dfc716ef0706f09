#include "event_bridge.h"
#include "reports.h"
#include "values.h"
#include "../dpdk/runtime/events.h"

static napi_threadsafe_function bridge;

static const char *const type_names[] = {
	[VH_EVENT_CONNECTED] = "connected",
	[VH_EVENT_DISCONNECTED] = "disconnected",
	[VH_EVENT_READY] = "ready",
	[VH_EVENT_STOPPED] = "stopped",
	[VH_EVENT_LEARNED] = "learned",
	[VH_EVENT_MOVED] = "moved",
	[VH_EVENT_REJECTED] = "rejected",
	[VH_EVENT_LOG] = "log",
};

static napi_value event_value(napi_env env, const struct vh_event *e)
{
	napi_value object = vh_object(env);

	vh_set_string(env, object, "type", type_names[e->type]);
	vh_set_int(env, object, e->type == VH_EVENT_LOG ? "level" : "port", e->port);
	if (e->type == VH_EVENT_LEARNED || e->type == VH_EVENT_MOVED)
		/* As in DPDK's vhost example: what a guest sends untagged has its device's own tag. */
		vh_set_mac(env, object, e->key,
			e->port < VH_MAX_PORTS ? (uint16_t)(VH_VLAN_TAG_BASE + e->port) : 0);
	if (e->type == VH_EVENT_REJECTED || e->type == VH_EVENT_LOG)
		vh_set_string(env, object, "text", e->text);
	return object;
}

/* On the main thread: empties the queue into one array. env is NULL while the environment is torn down. */
static void drain(napi_env env, napi_value callback, void *context, void *data)
{
	struct vh_event batch[64];
	napi_value array, global;
	uint32_t n, at = 0;
	uint64_t lost = 0, lost_now;

	(void)context;
	(void)data;
	if (env == NULL)
		return;
	array = vh_array(env);
	while ((n = vh_events_take(batch, 64, &lost_now)) > 0 || lost_now > 0) {
		lost += lost_now;
		for (uint32_t i = 0; i < n; i++)
			vh_append(env, array, at++, event_value(env, &batch[i]));
		/* A flood of events must not keep the main thread here for ever. */
		if (at >= 2 * VH_EVENT_ROOM) {
			vh_events_again();
			break;
		}
	}
	if (lost > 0) {
		napi_value object = vh_object(env);

		vh_set_string(env, object, "type", "lost");
		vh_set_int(env, object, "count", (int64_t)lost);
		vh_append(env, array, at++, object);
	}
	if (at > 0 && napi_get_global(env, &global) == napi_ok)
		napi_call_function(env, global, callback, 1, &array, NULL);
}

/* On the event queue's thread. */
static void wake(void *context)
{
	(void)context;
	napi_call_threadsafe_function(bridge, NULL, napi_tsfn_nonblocking);
}

bool vh_bridge_open(napi_env env, napi_value callback)
{
	napi_value name;

	if (napi_create_string_utf8(env, "vhost-host events", NAPI_AUTO_LENGTH, &name) != napi_ok ||
		napi_create_threadsafe_function(
			env, callback, NULL, name, 0, 1, NULL, NULL, NULL, drain, &bridge) != napi_ok) {
		vh_throw(env, "EINVAL", "the event callback must be a function");
		return false;
	}
	napi_unref_threadsafe_function(env, bridge);
	if (vh_events_init(wake, NULL) != 0) {
		napi_release_threadsafe_function(bridge, napi_tsfn_abort);
		bridge = NULL;
		vh_throw(env, "ENOMEM", "there is no thread for events to be had");
		return false;
	}
	return true;
}

void vh_bridge_close(void)
{
	if (bridge == NULL)
		return;
	vh_events_close();
	napi_release_threadsafe_function(bridge, napi_tsfn_abort);
	bridge = NULL;
}
