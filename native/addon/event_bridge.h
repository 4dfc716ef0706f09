/*
 * From the engine's event queue to a JavaScript callback, by one threadsafe function.
 *
 * The queue wakes the bridge once per batch (events.h), so the threadsafe function's own queue never holds
 * more than one call. It is unreferenced: waiting for events does not keep the process alive.
 */
#ifndef VH_ADDON_EVENT_BRIDGE_H
#define VH_ADDON_EVENT_BRIDGE_H

#include <node_api.h>
#include <stdbool.h>

/* Return: whether the bridge stands; otherwise an exception is pending. */
bool vh_bridge_open(napi_env env, napi_value callback);

/* Main thread. Safe to call twice. */
void vh_bridge_close(void);

#endif
