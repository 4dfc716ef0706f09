/* The finder of a client's memory, on trees like /proc and on this process. */
#include "../../cuse/client_process.h"
#include "../rig/check.h"
#include "tests.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define PID 4711
#define GIB (1ULL << 30)

static const char *const root = test_dir;

static void put(const char *name, const char *text)
{
	char path[300];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%d/%s", root, PID, name);
	f = fopen(path, "w");
	REQUIRE(f != NULL && fputs(text, f) >= 0 && fclose(f) == 0);
}

static void tree(void)
{
	char path[300];

	snprintf(path, sizeof(path), "%s/%d", root, PID);
	REQUIRE(mkdir(path, 0700) == 0);
	snprintf(path, sizeof(path), "%s/%d/map_files", root, PID);
	REQUIRE(mkdir(path, 0700) == 0);
	snprintf(path, sizeof(path), "%s/%d/fd", root, PID);
	REQUIRE(mkdir(path, 0700) == 0);
}

void test_proc_numbers(void)
{
	tree();
	put("status",
		"Name:\tTgid: 7\\nCPU 0/KVM\nUmask:\t0002\nState:\tS (sleeping)\nTgid:\t4700\nNgid:\t0\n");
	REQUIRE_EQ(vh_cuse_proc_group(root, PID), 4700);
	put("status", "Name:\tqemu\nTgid:\t0\n");
	REQUIRE_EQ(vh_cuse_proc_group(root, PID), -ESRCH);
	put("status", "");
	REQUIRE_EQ(vh_cuse_proc_group(root, PID), -ESRCH);
	REQUIRE_EQ(vh_cuse_proc_group(root, PID + 1), -ESRCH);
	/* A name with blanks and parentheses. */
	put("stat", "4711 (CPU 0) (K) S 1 2 3 4 -1 4194560 1 2 3 4 5 6 7 8 20 0 5 0 987654 1000 200\n");
	REQUIRE_EQ(vh_cuse_proc_birth(root, PID), 987654);
	put("stat", "4711 (short) S 1");
	REQUIRE_EQ(vh_cuse_proc_birth(root, PID), 0);
	REQUIRE_EQ(vh_cuse_proc_birth(root, PID + 1), 0);
}

/* As QEMU's looks with a memfd of 4 GiB, a module of memory in a deleted file of a hugetlbfs, and the rest.
 */
static const char recorded[] =
	"555555554000-555555900000 r--p 00000000 fe:01 1053 /usr/bin/qemu-system-x86_64\n"
	"5555574e8000-555558a00000 rw-p 00000000 00:00 0 [heap]\n"
	"7f0000000000-7f0040000000 rw-s 00000000 00:0f 51 /dev/hugepages/qemu_back_mem.d (deleted)\n"
	"7f0100000000-7f0180000000 rw-s 00000000 00:01 2051 /memfd:memory-backend-memfd (deleted)\n"
	"7f0180000000-7f0180200000 rw-s 80000000 00:01 2051 /memfd:memory-backend-memfd (deleted)\n"
	"7f0180200000-7f0200000000 rw-s 80200000 00:01 2051 /memfd:memory-backend-memfd (deleted)\n"
	"7f0200000000-7f0200010000 rw-p 00000000 00:00 0 \n"
	"7f0200400000-7f0200500000 r--s 00000000 fe:01 99 /etc/shadow\n"
	"7f0200600000-7f0200700000 rw-p 00000000 fe:01 98 /var/lib/private\n"
	"7ffff7fc1000-7ffff7fc5000 r--p 00000000 00:00 0 [vvar]\n"
	"ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0 [vsyscall]\n";

static int find(struct vh_cuse_mapped *found, uint32_t n, const struct vhost_memory_region *regions)
{
	return vh_cuse_proc_find(root, PID, regions, n, found);
}

void test_proc_regions(void)
{
	struct vhost_memory_region r[] = {
		{0, 0xa0000, 0x7f0100000000, 0},	  /* from the beginning */
		{0x100000, 3 * GIB, 0x7f0100100000, 0},	  /* across three mappings */
		{4 * GIB, GIB, 0x7f01c0000000, 0},	  /* up to the end */
		{8 * GIB, GIB, 0x7f0000000000, 0},	  /* the module */
		{0xfe000000, 0x10000, 0x7f0200000000, 0}, /* QEMU's own */
		{0xfd000000, 0x1000, 0x555555554000, 0},
	};
	struct vh_cuse_mapped found[VH_CUSE_SHARED];

	tree();
	put("maps", recorded);
	REQUIRE_EQ(find(found, 6, r), 4);
	REQUIRE_EQ(found[0].part.offset, 0);
	REQUIRE_EQ(found[1].part.offset, 0x100000);
	REQUIRE_EQ(found[1].part.size, 3 * GIB);
	REQUIRE_EQ(found[1].map_start, 0x7f0100000000);
	REQUIRE_EQ(found[1].map_end, 0x7f0180000000);
	REQUIRE_EQ(found[2].part.offset, 3 * GIB);
	REQUIRE_EQ(found[3].part.dev, makedev(0, 0x0f));
	REQUIRE_EQ(found[3].part.ino, 51);
	REQUIRE_EQ(found[3].part.gpa, 8 * GIB);
	REQUIRE_EQ(vh_cuse_proc_find(root, PID + 1, r, 6, found), -ESRCH);
}

void test_proc_hostile(void)
{
	static const struct vhost_memory_region bad[] = {
		{0, 0x100000, 0x7f0200400000, 0}, /* only read: opened anew it could be written */
		{0, 0x100000, 0x7f0200600000, 0}, /* private */
		{0, 0x20000, 0x7f01ffff0000, 0},  /* runs out of shared memory */
		{0, 0x20000, 0x7f00ffff0000, 0},  /* runs into it */
		{0, 2 * GIB, 0x7f0000000000, 0},  /* a hole behind it */
		{0, 0x1000, 0x1000, 0},		  /* nothing there */
		{0, UINT64_MAX - 0x7f0100000000, 0x7f0100000000, 0},
		{0, 0x1000, UINT64_MAX - 0xfff, 0},
	};
	struct vhost_memory_region many[VH_CUSE_REGIONS];
	struct vh_cuse_mapped found[VH_CUSE_SHARED];

	tree();
	put("maps", recorded);
	REQUIRE_EQ(find(found, sizeof(bad) / sizeof(bad[0]), bad), 0);
	for (uint32_t i = 0; i < VH_CUSE_REGIONS; i++)
		many[i] = (struct vhost_memory_region){i * 0x1000, 0x1000, 0x7f0100000000 + i * 0x1000, 0};
	REQUIRE_EQ(find(found, VH_CUSE_SHARED, many), VH_CUSE_SHARED);
	REQUIRE_EQ(find(found, VH_CUSE_SHARED + 1, many), -E2BIG);
	REQUIRE_EQ(find(found, VH_CUSE_REGIONS, many), -E2BIG);
	/* Two files side by side, and one file with a gap in it, are not one range. */
	put("maps", "10000000-10100000 rw-s 00000000 00:01 5 /memfd:a\n"
		    "10100000-10200000 rw-s 00100000 00:01 6 /memfd:b\n"
		    "10200000-10300000 rw-s 00200000 00:01 6 /memfd:b\n"
		    "10300000-10400000 rw-s 00400000 00:01 6 /memfd:b\n"
		    "10400000-10500000 rw-s 00500000 00:02 6 /memfd:c\n");
	REQUIRE_EQ(find(found, 1, &(struct vhost_memory_region){0, 0x200000, 0x10000000, 0}), 0);
	REQUIRE_EQ(find(found, 1, &(struct vhost_memory_region){0, 0x200000, 0x10100000, 0}), 1);
	REQUIRE_EQ(find(found, 1, &(struct vhost_memory_region){0, 0x200000, 0x10200000, 0}), 0);
	REQUIRE_EQ(find(found, 1, &(struct vhost_memory_region){0, 0x200000, 0x10300000, 0}), 0);
	/* Lines that are none. */
	put("maps",
		"\nrw-s\n10000000-10100000 rw-s\nzz-yy rw-s 0 0:1 5\n10100000-10000000 rw-s 0 00:01 5 x\n");
	REQUIRE_EQ(find(found, 1, &(struct vhost_memory_region){0, 0x1000, 0x10000000, 0}), 0);
}

static int other_take = -EPERM;

static int take(pid_t process, int fd)
{
	REQUIRE_EQ(process, PID);
	REQUIRE_EQ(fd, 33);
	return other_take < 0 ? other_take : fcntl(other_take, F_DUPFD_CLOEXEC, 0);
}

/* Return: what opening the one region of 64 KiB at 0x10000000 comes to; its descriptor is closed again. */
static int open_one(const char *maps)
{
	struct vhost_memory_region r = {0, 0x10000, 0x10000000, 0};
	struct vh_cuse_part part[VH_CUSE_SHARED];
	int fd[VH_CUSE_SHARED];
	int n;

	put("maps", maps);
	n = vh_cuse_proc_open(root, PID, take, &r, 1, part, fd);
	if (n > 0) {
		REQUIRE_EQ(n, 1);
		REQUIRE_EQ(fcntl(fd[0], F_GETFL) & O_ACCMODE, O_RDWR);
		REQUIRE_EQ(close(fd[0]), 0);
	}
	return n;
}

void test_proc_files(void)
{
	char file[300], map[300], link[300], maps[200], wrong[200];
	struct stat st;
	int fd;

	tree();
	snprintf(file, sizeof(file), "%s/%d/memory", root, PID);
	snprintf(map, sizeof(map), "%s/%d/map_files/10000000-10010000", root, PID);
	snprintf(link, sizeof(link), "%s/%d/fd/33", root, PID);
	fd = open(file, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	REQUIRE(fd >= 0 && ftruncate(fd, 0x10000) == 0 && fstat(fd, &st) == 0);
	snprintf(maps, sizeof(maps), "10000000-10010000 rw-s 00000000 %x:%x %ju x\n", major(st.st_dev),
		minor(st.st_dev), (uintmax_t)st.st_ino);
	snprintf(wrong, sizeof(wrong), "10000000-10010000 rw-s 00000000 %x:%x %ju x\n", major(st.st_dev),
		minor(st.st_dev), (uintmax_t)st.st_ino + 1);
	/* No way to it. */
	REQUIRE_EQ(open_one(maps), -EACCES);
	/* Among the descriptors; the one that was taken is another file, or only for reading. */
	REQUIRE(symlink(file, link) == 0);
	REQUIRE_EQ(open_one(maps), -EACCES);
	other_take = fd;
	REQUIRE_EQ(open_one(maps), 1);
	REQUIRE_EQ(open_one(wrong), -EACCES);
	other_take = open(file, O_RDONLY | O_CLOEXEC);
	REQUIRE_EQ(open_one(maps), -EACCES);
	other_take = open("/dev/null", O_RDWR | O_CLOEXEC);
	REQUIRE_EQ(open_one(maps), -EAGAIN);
	/* By map_files. */
	REQUIRE(symlink(file, map) == 0);
	REQUIRE_EQ(open_one(maps), 1);
	REQUIRE_EQ(open_one(wrong), -EAGAIN);
	/* It ends before the mapping does. */
	REQUIRE(ftruncate(fd, 0xffff) == 0);
	REQUIRE_EQ(open_one(maps), -EFAULT);
	REQUIRE(ftruncate(fd, 0x10000) == 0);
	/* Not a file: a device is not opened at all. */
	REQUIRE(unlink(map) == 0 && symlink("/dev/zero", map) == 0);
	REQUIRE_EQ(open_one(maps), -EAGAIN);
	REQUIRE_EQ(open_one("10000000-10010000 r--s 00000000 00:01 5 x\n"), -EFAULT);
	close(fd);
}

static int take_own(pid_t process, int fd)
{
	(void)process;
	return fcntl(fd, F_DUPFD_CLOEXEC, 0);
}

/* This process, by the real /proc: a memfd, and one that is only for reading. */
void test_proc_real(void)
{
	int fd = memfd_create("guest", MFD_CLOEXEC), got[VH_CUSE_SHARED];
	struct vh_cuse_part part[VH_CUSE_SHARED];
	struct vhost_memory_region r[2] = {{.memory_size = 0x8000}, {.memory_size = 0x8000}};
	char *both, *read_only;

	REQUIRE(fd >= 0 && ftruncate(fd, 0x10000) == 0);
	both = mmap(NULL, 0x10000, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	read_only = mmap(NULL, 0x10000, PROT_READ, MAP_SHARED, fd, 0);
	REQUIRE(both != MAP_FAILED && read_only != MAP_FAILED);
	r[0].userspace_addr = (uintptr_t)both + 0x4000;
	r[1].guest_phys_addr = 0x8000;
	r[1].userspace_addr = (uintptr_t)read_only;
	REQUIRE_EQ(vh_cuse_proc_open("/proc", getpid(), take_own, r, 2, part, got), 1);
	REQUIRE_EQ(part[0].offset, 0x4000);
	both[0x4000] = 'x';
	REQUIRE(pread(got[0], both, 1, 0x4000) == 1 && both[0] == 'x');
	REQUIRE_EQ(vh_cuse_proc_group("/proc", getpid()), getpid());
	REQUIRE(vh_cuse_proc_birth("/proc", getpid()) > 0);
	close(got[0]);
	close(fd);
}
