#include "client_process.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define PATH 256

static FILE *open_text(const char *root, pid_t pid, const char *name)
{
	char path[PATH];

	if (snprintf(path, sizeof(path), "%s/%d/%s", root, (int)pid, name) >= (int)sizeof(path))
		return NULL;
	return fopen(path, "re");
}

pid_t vh_cuse_proc_group(const char *root, pid_t thread)
{
	FILE *f = open_text(root, thread, "status");
	char line[256];
	int group = -ESRCH;

	/* The name of a thread, which stands above, has its line ends escaped. */
	while (f != NULL && group < 0 && fgets(line, sizeof(line), f) != NULL)
		if (sscanf(line, "Tgid: %d", &group) == 1 && group <= 0)
			group = -ESRCH;
	if (f != NULL)
		fclose(f);
	return group;
}

uint64_t vh_cuse_proc_birth(const char *root, pid_t process)
{
	FILE *f = open_text(root, process, "stat");
	char line[1024];
	uint64_t birth = 0;
	char *at;

	if (f == NULL)
		return 0;
	at = fgets(line, sizeof(line), f);
	fclose(f);
	/* The name, field 2, may hold anything but ends at the last parenthesis; the start is field 22. */
	if (at == NULL || (at = strrchr(line, ')')) == NULL)
		return 0;
	for (int field = 2; field < 22 && at != NULL; field++)
		at = strchr(at + 1, ' ');
	if (at == NULL || sscanf(at, " %" SCNu64, &birth) != 1)
		return 0;
	return birth;
}

/* One line of maps. */
struct mapping {
	uint64_t start, end, offset, dev, ino;
	bool shared; /* rw-s */
};

static bool parse(const char *line, struct mapping *m)
{
	unsigned int major, minor;
	char mode[5];

	if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %4s %" SCNx64 " %x:%x %" SCNu64, &m->start, &m->end, mode,
		    &m->offset, &major, &minor, &m->ino) != 7)
		return false;
	m->dev = makedev(major, minor);
	m->shared = mode[0] == 'r' && mode[1] == 'w' && mode[3] == 's' && m->ino != 0;
	return m->start < m->end;
}

/* How far a region was followed. */
struct walk {
	uint64_t next;
	bool begun, broken;
};

/* Mappings come by rising address: each continues the region, begins it, or has nothing to do with it. */
static void follow(struct walk *w, const struct vhost_memory_region *r, const struct mapping *m,
	struct vh_cuse_mapped *out)
{
	uint64_t end = r->userspace_addr + r->memory_size;
	uint64_t offset = m->offset + (w->next - m->start);

	if (w->broken || w->next >= end || w->next < m->start || w->next >= m->end)
		return;
	if (!w->begun) {
		out->part = (struct vh_cuse_part){.gpa = r->guest_phys_addr,
			.size = r->memory_size,
			.user = r->userspace_addr,
			.offset = offset,
			.dev = m->dev,
			.ino = m->ino};
		out->map_start = m->start;
		out->map_end = m->end;
	}
	w->broken = !m->shared || m->dev != out->part.dev || m->ino != out->part.ino ||
		    offset != out->part.offset + (w->next - r->userspace_addr);
	w->begun = true;
	w->next = m->end < end ? m->end : end;
}

int vh_cuse_proc_find(const char *root, pid_t process, const struct vhost_memory_region *regions, uint32_t n,
	struct vh_cuse_mapped *found)
{
	struct vh_cuse_mapped all[VH_CUSE_REGIONS];
	struct walk walk[VH_CUSE_REGIONS];
	FILE *f = open_text(root, process, "maps");
	char *line = NULL;
	size_t room = 0;
	int count = 0;

	if (f == NULL)
		return -ESRCH;
	for (uint32_t i = 0; i < n; i++)
		walk[i] = (struct walk){.next = regions[i].userspace_addr};
	while (getline(&line, &room, f) > 0) {
		struct mapping m;

		for (uint32_t i = 0; parse(line, &m) && i < n; i++)
			follow(&walk[i], &regions[i], &m, &all[i]);
	}
	free(line);
	fclose(f);
	for (uint32_t i = 0; i < n && count >= 0; i++) {
		if (!walk[i].begun || walk[i].broken ||
			walk[i].next < regions[i].userspace_addr + regions[i].memory_size)
			continue;
		if (count == VH_CUSE_SHARED)
			count = -E2BIG;
		else
			found[count++] = all[i];
	}
	return count;
}

static bool is_the_file(const struct stat *st, const struct vh_cuse_part *p)
{
	/* Regular: opening anything else anew might do something. */
	return S_ISREG(st->st_mode) && st->st_dev == p->dev && st->st_ino == p->ino;
}

/* By the name that the kernel keeps for every mapping, also of a file that has none left. */
static int open_map(const char *root, pid_t process, const struct vh_cuse_mapped *m)
{
	char path[PATH];
	struct stat st;
	int fd;

	if (snprintf(path, sizeof(path), "%s/%d/map_files/%" PRIx64 "-%" PRIx64, root, (int)process,
		    m->map_start, m->map_end) >= (int)sizeof(path))
		return -ENAMETOOLONG;
	if (stat(path, &st) != 0)
		return -errno;
	if (!is_the_file(&st, &m->part))
		return -EAGAIN;
	fd = open(path, O_RDWR | O_CLOEXEC | O_NOCTTY);
	return fd < 0 ? -errno : fd;
}

/* Among the descriptors that the client has open, where map_files is not for us (no CAP_SYS_ADMIN). */
static int take_open(const char *root, pid_t process, vh_cuse_take_fd *take, const struct vh_cuse_mapped *m)
{
	char path[PATH];
	struct dirent *entry;
	struct stat st;
	int fd = -EACCES;
	DIR *dir;

	if (snprintf(path, sizeof(path), "%s/%d/fd", root, (int)process) >= (int)sizeof(path) ||
		(dir = opendir(path)) == NULL)
		return -EACCES;
	while (fd < 0 && (entry = readdir(dir)) != NULL) {
		if (entry->d_name[0] == '.' || fstatat(dirfd(dir), entry->d_name, &st, 0) != 0 ||
			!is_the_file(&st, &m->part))
			continue;
		fd = take(process, atoi(entry->d_name));
		if (fd >= 0 && (fcntl(fd, F_GETFL) & O_ACCMODE) != O_RDWR) {
			close(fd);
			fd = -EACCES;
		}
	}
	closedir(dir);
	return fd < 0 ? -EACCES : fd;
}

static int open_part(const char *root, pid_t process, vh_cuse_take_fd *take, const struct vh_cuse_mapped *m)
{
	struct stat st;
	int fd = open_map(root, process, m);

	if (fd < 0 && fd != -EAGAIN)
		fd = take_open(root, process, take, m);
	if (fd < 0)
		return fd;
	if (fstat(fd, &st) != 0 || !is_the_file(&st, &m->part)) {
		close(fd);
		return -EAGAIN;
	}
	/* A file that ends before its mapping would end whoever reads there. */
	if ((uint64_t)st.st_size < m->part.offset || (uint64_t)st.st_size - m->part.offset < m->part.size) {
		close(fd);
		return -EFAULT;
	}
	return fd;
}

static bool same(const struct vh_cuse_mapped *a, const struct vh_cuse_mapped *b)
{
	return memcmp(&a->part, &b->part, sizeof(a->part)) == 0;
}

int vh_cuse_proc_open(const char *root, pid_t process, vh_cuse_take_fd *take,
	const struct vhost_memory_region *regions, uint32_t n, struct vh_cuse_part *parts, int *fds)
{
	struct vh_cuse_mapped found[VH_CUSE_SHARED], again[VH_CUSE_SHARED];
	int count = vh_cuse_proc_find(root, process, regions, n, found);
	int opened = 0, error = count < 0 ? count : count == 0 ? -EFAULT : 0;

	for (; error == 0 && opened < count; opened++) {
		fds[opened] = open_part(root, process, take, &found[opened]);
		if (fds[opened] < 0) {
			error = fds[opened];
			break;
		}
		parts[opened] = found[opened].part;
	}
	if (error == 0 && vh_cuse_proc_find(root, process, regions, n, again) != count)
		error = -EAGAIN;
	for (int i = 0; error == 0 && i < count; i++)
		if (!same(&found[i], &again[i]))
			error = -EAGAIN;
	if (error == 0)
		return count;
	for (int i = 0; i < opened; i++)
		close(fds[i]);
	return error;
}
