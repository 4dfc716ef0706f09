#include "ring_record_file.h"
#include "peer_cred.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* What a record looks like; another one than that of the switch before begins with a new file. */
#define LAYOUT 0x76682d7271303200ULL
#define PAGE 4096U
#define STRIDE ((sizeof(struct vh_ring_record) + PAGE - 1) / PAGE * PAGE)

static off_t offset_of(uint32_t ring)
{
	return (off_t)(PAGE + ring * STRIDE);
}

/* Return: whether the file was made by a switch that has the same records. */
static bool is_known(int fd)
{
	uint64_t layout = 0;

	return pread(fd, &layout, sizeof(layout), 0) == (ssize_t)sizeof(layout) && layout == LAYOUT;
}

/* Return: a descriptor of the file, empty or of this layout, or a negative errno. */
static int open_file(const char *path)
{
	static const uint64_t layout = LAYOUT;
	int error, fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
	struct stat st;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || st.st_uid != geteuid()) {
		close(fd);
		return -EPERM;
	}
	if (is_known(fd))
		return fd;
	if (ftruncate(fd, 0) == 0 && pwrite(fd, &layout, sizeof(layout), 0) == (ssize_t)sizeof(layout))
		return fd;
	error = -errno;
	close(fd);
	return error;
}

/* Gives the file the pages that the ring needs: a store to one that it cannot have would end the process. */
static int reserve(int fd, uint32_t ring, uint32_t size)
{
	struct stat st;

	if (fstat(fd, &st) != 0)
		return -errno;
	/* The mapping's end must lie within the file; nothing but what is reserved below is ever touched. */
	if (st.st_size < offset_of(ring) + (off_t)STRIDE &&
		ftruncate(fd, offset_of(ring) + (off_t)STRIDE) != 0)
		return -errno;
	return -posix_fallocate(fd, offset_of(ring), (off_t)vh_ring_record_bytes(size));
}

/* Return: 0 with *out, or a negative errno. */
static int map_file(const char *path, uint32_t ring, uint32_t size, void **out)
{
	int error, fd = path[0] != '\0' ? open_file(path) : -ENOENT;

	if (fd < 0)
		return fd;
	error = reserve(fd, ring, size);
	if (error == 0) {
		*out = mmap(NULL, STRIDE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, offset_of(ring));
		error = *out == MAP_FAILED ? -errno : 0;
	}
	close(fd);
	return error;
}

static void unmap(struct vh_records *r, uint32_t ring)
{
	if (r->ring[ring] != NULL)
		munmap(r->ring[ring], STRIDE);
	__atomic_store_n(&r->ring[ring], NULL, __ATOMIC_RELEASE);
}

void vh_records_connected(struct vh_records *r, pid_t peer)
{
	r->peer = peer;
	r->peer_began = vh_peer_began(peer);
}

/* Whether it is for a front end that has ended, and not for the one that is there. */
static bool is_left_behind(const struct vh_records *r, const struct vh_ring_record *record)
{
	/* Nobody that is not known began later than anybody. */
	if (record->owner <= 0 || r->peer_began <= record->claimed)
		return false;
	/* Its number may be another process's by now. */
	return !vh_peer_runs(record->owner) || vh_peer_began(record->owner) > record->claimed;
}

/* The record becomes the present front end's. */
static struct vh_ring_record *claim(const struct vh_records *r, struct vh_ring_record *record)
{
	if (is_left_behind(r, record))
		vh_ring_record_void(record);
	/* In this order: a switch that is killed in between leaves one that is not said to be older than it
	 * is. */
	__atomic_store_n(&record->claimed, vh_peer_clock(), __ATOMIC_RELEASE);
	__atomic_store_n(&record->owner, r->peer, __ATOMIC_RELEASE);
	return record;
}

struct vh_ring_record *vh_records_of(struct vh_records *r, uint32_t ring, uint32_t size, int *error)
{
	void *p = MAP_FAILED;

	*error = 0;
	if (r->ring[ring] != NULL && r->size[ring] >= size)
		return claim(r, r->ring[ring]);
	unmap(r, ring);
	*error = map_file(r->path, ring, size, &p);
	if (*error != 0)
		p = mmap(NULL, STRIDE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED)
		return NULL;
	r->size[ring] = size;
	__atomic_store_n(&r->ring[ring], p, __ATOMIC_RELEASE);
	return claim(r, p);
}

bool vh_records_placed(const struct vh_records *r, uint32_t ring)
{
	return __atomic_load_n(&r->placed[ring], __ATOMIC_RELAXED);
}

void vh_records_set_placed(struct vh_records *r, uint32_t ring, bool placed)
{
	__atomic_store_n(&r->placed[ring], placed, __ATOMIC_RELEASE);
}

void vh_records_told(struct vh_records *r, uint32_t ring)
{
	struct vh_ring_record *record = __atomic_load_n(&r->ring[ring], __ATOMIC_ACQUIRE);

	if (record != NULL && __atomic_load_n(&r->placed[ring], __ATOMIC_ACQUIRE))
		vh_ring_record_void(record);
}

void vh_records_close(struct vh_records *r, bool awaited)
{
	bool used = false, needed = false;

	for (uint32_t i = 0; i < VH_MAX_RINGS; i++) {
		used |= r->ring[i] != NULL;
		needed |= awaited && r->ring[i] != NULL && r->ring[i]->in_force != 0;
		unmap(r, i);
	}
	if (used && !needed && r->path[0] != '\0')
		unlink(r->path);
}
