#include "reports.h"
#include "values.h"

#include <stdio.h>

static void set_address(napi_env env, napi_value object, const uint8_t b[6])
{
	char text[18];

	snprintf(text, sizeof(text), "%02x:%02x:%02x:%02x:%02x:%02x", b[0], b[1], b[2], b[3], b[4], b[5]);
	vh_set_string(env, object, "mac", text);
}

void vh_set_mac(napi_env env, napi_value object, uint64_t key, uint16_t untagged)
{
	uint8_t b[6];
	uint16_t vlan;

	vh_mac_key_bytes(key, b, &vlan);
	set_address(env, object, b);
	vh_set_int(env, object, "vlan", vlan != 0 ? vlan : untagged);
}

/* interrupts_apart: of a port; an uplink has none. */
static napi_value counters(napi_env env, const struct vh_counters *c, uint64_t interrupts_apart)
{
	napi_value object = vh_object(env), drops = vh_object(env);

	vh_set_big(env, object, "txPackets", c->tx_packets);
	vh_set_big(env, object, "txBytes", c->tx_bytes);
	vh_set_big(env, object, "rxPackets", c->rx_packets);
	vh_set_big(env, object, "rxBytes", c->rx_bytes);
	vh_set_big(env, object, "interrupts", c->interrupts);
	vh_set_big(env, object, "interruptsApart", interrupts_apart);
	vh_set_big(env, object, "unlearned", c->unlearned);
	for (unsigned int i = 0; i < VH_DROP_COUNT; i++)
		vh_set_big(env, drops, vh_drop_name(i), c->drops[i]);
	vh_set(env, object, "drops", drops);
	return object;
}

napi_value vh_report_port(napi_env env, const struct vh_port_info *p)
{
	napi_value object = vh_object(env), queues = vh_array(env);

	vh_set_int(env, object, "id", p->id);
	vh_set_string(env, object, "name", p->name);
	vh_set_string(env, object, "socketPath", p->path);
	vh_set_int(env, object, "queuePairs", p->pairs);
	vh_set_bool(env, object, "connected", p->connected);
	vh_set_bool(env, object, "ready", p->ready);
	vh_set_string(env, object, "lack", vh_lack_name(p->lack));
	vh_set_string(env, object, "lackText", p->lack_text);
	vh_set_big(env, object, "features", p->features);
	vh_set_big(env, object, "memoryBytes", p->memory_bytes);
	for (uint32_t i = 0; i < 2U * p->pairs; i++) {
		napi_value queue = vh_object(env);

		vh_set_int(env, queue, "index", i);
		vh_set_int(env, queue, "size", p->ring[i].size);
		vh_set_bool(env, queue, "live", p->ring[i].live);
		vh_set_int(env, queue, "worker", p->ring[i].worker);
		vh_append(env, queues, i, queue);
	}
	vh_set(env, object, "queues", queues);
	vh_set(env, object, "counters", counters(env, &p->counters, p->interrupts_apart));
	return object;
}

/* Names of what the device does itself. */
static napi_value offloads(napi_env env, const struct vh_uplink_offloads *o)
{
	const struct {
		const char *name;
		bool on;
	} all[] = {{"tx-csum", o->tx_csum}, {"tso", o->tso}, {"vlan-insert", o->vlan_insert},
		{"rx-csum", o->rx_csum}};
	napi_value array = vh_array(env);
	uint32_t n = 0;

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		napi_value name;

		if (all[i].on &&
			napi_create_string_utf8(env, all[i].name, NAPI_AUTO_LENGTH, &name) == napi_ok)
			vh_append(env, array, n++, name);
	}
	return array;
}

napi_value vh_report_uplink(napi_env env, const struct vh_uplink_info *u)
{
	static const char *const states[] = {
		[VH_UPLINK_DOWN] = "down", [VH_UPLINK_UP] = "up", [VH_UPLINK_GONE] = "gone"};
	napi_value object = vh_object(env), workers = vh_array(env), device = vh_object(env),
		   pools = vh_array(env);
	uint32_t taken = 0;

	vh_set_int(env, object, "id", u->id);
	vh_set_string(env, object, "name", u->name);
	vh_set_string(env, object, "device", u->device);
	vh_set_string(env, object, "driver", u->driver);
	vh_set_string(env, object, "state", states[u->state]);
	set_address(env, object, u->mac);
	vh_set_int(env, object, "speedMbps", u->speed_mbps);
	vh_set_int(env, object, "mtu", u->mtu);
	vh_set(env, object, "offloads", offloads(env, &u->offloads));
	vh_set_string(env, object, "remark", u->remark);
	for (uint16_t q = 0; q < u->queues; q++) {
		napi_value worker;

		if (napi_create_uint32(env, u->queue_worker[q], &worker) == napi_ok)
			vh_append(env, workers, q, worker);
	}
	vh_set(env, object, "workers", workers);
	vh_set_int(env, object, "buffers", u->buffers);
	vh_set_int(env, object, "buffersFree", u->buffers_free);
	for (uint16_t i = 1; i <= u->guests; i++) {
		napi_value pool = vh_object(env);

		if (u->pool_key[i] == 0)
			continue;
		vh_set_int(env, pool, "pool", i);
		vh_set_int(env, pool, "port", (uint32_t)vh_vmdq_guest(i));
		vh_set_mac(env, pool, u->pool_key[i], 0);
		vh_append(env, pools, taken++, pool);
	}
	vh_set_int(env, object, "pools", u->guests);
	vh_set(env, object, "poolsTaken", pools);
	vh_set_bool(env, object, "zeroCopy", u->zero_copy);
	vh_set_big(env, object, "zeroCopied", u->lent);
	vh_set_big(env, object, "zeroCopiedIn", u->landed);
	vh_set_big(env, device, "rxMissed", u->rx_missed);
	vh_set_big(env, device, "rxErrors", u->rx_errors);
	vh_set_big(env, device, "rxNoBuffer", u->rx_no_buffer);
	vh_set_big(env, device, "txErrors", u->tx_errors);
	vh_set(env, object, "deviceCounters", device);
	vh_set(env, object, "counters", counters(env, &u->counters, 0));
	return object;
}

napi_value vh_report_mac(napi_env env, const struct vh_mac_entry *m)
{
	napi_value object = vh_object(env);

	vh_set_mac(env, object, m->key, 0);
	vh_set_int(env, object, "port", m->port);
	vh_set_int(env, object, "ageSeconds", m->age);
	return object;
}

napi_value vh_report_worker(napi_env env, uint32_t id)
{
	struct vh_worker_stats s;
	napi_value object = vh_object(env);

	vh_workers_stats(id, &s);
	vh_set_int(env, object, "id", id);
	vh_set_int(env, object, "cpu", s.cpu);
	vh_set_int(env, object, "tid", s.tid);
	vh_set_int(env, object, "queues", s.queues);
	vh_set_big(env, object, "cycles", s.cycles);
	vh_set_big(env, object, "busyCycles", s.busy_cycles);
	vh_set_big(env, object, "packets", s.packets);
	vh_set_big(env, object, "sleeps", s.sleeps);
	return object;
}

napi_value vh_report_limits(napi_env env)
{
	napi_value object = vh_object(env);

	vh_set_int(env, object, "maxPorts", VH_MAX_PORTS);
	vh_set_int(env, object, "maxUplinks", VH_MAX_UPLINKS);
	vh_set_int(env, object, "firstUplinkId", VH_MAX_PORTS);
	vh_set_int(env, object, "maxQueuePairs", VH_MAX_PAIRS);
	vh_set_int(env, object, "maxUplinkQueues", VH_UPLINK_QUEUES);
	vh_set_int(env, object, "maxWorkers", VH_MAX_WORKERS);
	vh_set_int(env, object, "maxPools", VH_POOLS - 1);
	vh_set_int(env, object, "poolTags", VH_POOL_TAGS);
	vh_set_int(env, object, "maxSocketPath", VH_MAX_SOCKET_PATH);
	return object;
}

napi_value vh_report_drop_reasons(napi_env env)
{
	napi_value array = vh_array(env);

	for (unsigned int i = 0; i < VH_DROP_COUNT; i++) {
		napi_value name;

		if (napi_create_string_utf8(env, vh_drop_name(i), NAPI_AUTO_LENGTH, &name) == napi_ok)
			vh_append(env, array, i, name);
	}
	return array;
}
