/* The engine's state as JavaScript objects; shapes as in src/switch/addon/native.ts. */
#ifndef VH_ADDON_REPORTS_H
#define VH_ADDON_REPORTS_H

#include <node_api.h>
#include "../dpdk/engine/engine.h"

/* Sets `mac` (text) and `vlan` of an address; where the address is untagged, `vlan` is what `untagged` says.
 */
void vh_set_mac(napi_env env, napi_value object, uint64_t key, uint16_t untagged);

napi_value vh_report_port(napi_env env, const struct vh_port_info *port);
napi_value vh_report_uplink(napi_env env, const struct vh_uplink_info *uplink);
napi_value vh_report_mac(napi_env env, const struct vh_mac_entry *mac);
napi_value vh_report_worker(napi_env env, uint32_t id);
napi_value vh_report_limits(napi_env env);
napi_value vh_report_drop_reasons(napi_env env);

#endif
