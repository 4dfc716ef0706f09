/*
 * Internal to native/dpdk: a session's side of a guest's IOMMU (virtio/iotlb.h).
 *
 * Theory of operation
 *   A guest that negotiated ACCESS_PLATFORM may stand behind an IOMMU: then the addresses of its rings and in
 * its descriptors are I/O virtual ones, and its front end translates them, of its own accord or when it is
 * asked (vhost-user, "IOMMU support"). A front end that can be asked has given a channel for it
 * (SET_BACKEND_REQ_FD); one that takes the feature without has no IOMMU to speak of, and its addresses mean
 * what they always do. QEMU does not even take the feature then.
 *
 *   librte_vhost knows nothing of it: the feature is named without it, taken out of SET_FEATURES, and rings
 * are given addresses within the guest's memory that nobody uses, so that the library finds them ready when
 * everything has been said. Where rings are, and at what position, is known here. A ring runs while all of
 * its three parts have a translation; what is missing is asked for by the relay (proxy.h), and the ring is
 * started when it comes.
 *
 *   An invalidation is answered when nobody uses what it takes away: workers were quiescent, parked rounds
 * whose frames it concerns are over, and rings that lie in it stand still. They start again at the position
 * where they stood when their new translation is there.
 *
 * All functions under the session's lock, on the library's thread; vh_session_iommu_note() while the
 * session's queues are paused.
 */
#ifndef VH_DPDK_VHOST_SESSION_IOMMU_H
#define VH_DPDK_VHOST_SESSION_IOMMU_H

#include "../proxy/msg_filter.h"
#include "../../virtio/memory/iotlb.h"
#include "../../virtio/virtq.h"

/* Part of a session; all zeroes but for `iotlb`: no IOMMU. */
struct vh_session_iommu {
	struct vh_iotlb *iotlb;	   /* as long as the session */
	struct vh_guest_mem space; /* what the queues are given in the place of the guest's memory */
	struct vh_pieces *pieces;  /* for each ring; as long as the session */
	bool channel;		   /* the front end can be asked */
	bool taken;		   /* ACCESS_PLATFORM was negotiated */
	struct {
		uint64_t user, size;
		uint8_t *p;
	} region[VH_MAX_REGIONS]; /* the memory table by the front end's own addresses */
	uint32_t regions;
	struct {
		uint64_t desc, avail, used; /* I/O virtual */
		uint16_t last_avail, last_used;
		bool fresh;	/* has not run since it was given its addresses */
		bool suspended; /* runs again when its translations come */
	} ring[VH_MAX_RINGS];
};

/* Return: 0, or -ENOMEM. */
int vh_session_iommu_init(struct vh_session_iommu *m, const struct vh_guest_mem *mem, uint32_t rings);
void vh_session_iommu_free(struct vh_session_iommu *m);

/* Whether addresses are I/O virtual ones. */
static inline bool vh_session_iommu_on(const struct vh_session_iommu *m)
{
	return m->taken && m->channel;
}

/* The bit that the library does not know of. */
static inline uint64_t vh_session_iommu_features(const struct vh_session_iommu *m)
{
	return m->taken ? VH_F_ACCESS_PLATFORM : 0;
}

/* Notes what a message that the gate has passed says, and changes it for the library. vid: its device. */
void vh_session_iommu_note(struct vh_session_iommu *m, int vid, struct vh_vhu_msg *msg);

/* The library has mapped the guest's memory. */
void vh_session_iommu_memory(struct vh_session_iommu *m, int vid);

/* The connection has ended. */
void vh_session_iommu_forget(struct vh_session_iommu *m);

/* An update: what the front end says of a range. */
void vh_session_iommu_update(struct vh_session_iommu *m, const struct vh_vhu_iotlb *update);

/* Whether a part of the ring (of `size` entries) lies in [first, last]. */
bool vh_session_iommu_ring_in(const struct vh_session_iommu *m, uint32_t ring, uint32_t size,
	uint64_t features, uint64_t first, uint64_t last);

/*
 * Finds a ring whose queue is paused: its three parts and its position, for a configuration that has size and
 * features.
 * Return: VH_IOTLB_HIT, or why it cannot run (now).
 */
enum vh_iotlb_result vh_session_iommu_ring(struct vh_session_iommu *m, uint32_t ring, struct vh_vq_config *c);

/* The ring has come this far. */
void vh_session_iommu_stood(
	struct vh_session_iommu *m, uint32_t ring, uint16_t last_avail, uint16_t last_used);

#endif
