/*
 * The data path in one compilation unit, so that it is inlined as a whole; compiled once per instruction set
 * with VH_VARIANT set to a suffix (v3, v4), and once without for the oldest CPU that DPDK supports.
 * fastpath_select.c chooses.
 */
#ifdef VH_VARIANT
#define VH_PASTE2(name, suffix) name##_##suffix
#define VH_PASTE(name, suffix) VH_PASTE2(name, suffix)
#define vh_split_resolve VH_PASTE(vh_split_resolve, VH_VARIANT)
#define vh_packed_resolve VH_PASTE(vh_packed_resolve, VH_VARIANT)
#define vh_txq_collect VH_PASTE(vh_txq_collect, VH_VARIANT)
#define vh_txq_complete VH_PASTE(vh_txq_complete, VH_VARIANT)
#define vh_rxq_deliver VH_PASTE(vh_rxq_deliver, VH_VARIANT)
#define vh_deliver_unfinished VH_PASTE(vh_deliver_unfinished, VH_VARIANT)
#define vh_sort_by_rules VH_PASTE(vh_sort_by_rules, VH_VARIANT)
#define vh_switch_inject VH_PASTE(vh_switch_inject, VH_VARIANT)
#define vh_switch_poll VH_PASTE(vh_switch_poll, VH_VARIANT)
#endif

#include "../virtio/virtq_chain.c"
#include "../virtio/virtq_tx.c"
#include "../virtio/virtq_rx.c"
#include "deliver_offload.c"
#include "vlan_rules.c"
#include "forward.c"
