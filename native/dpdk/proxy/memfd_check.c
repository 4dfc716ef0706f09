#include "memfd_check.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* Local file systems whose page faults end; memory proper (memfd, tmpfs, hugetlbfs) is known otherwise. */
static const char *const local_types[] = {
	"ext2", "ext3", "ext4", "xfs", "btrfs", "f2fs", "tmpfs", "hugetlbfs"};

/* Copies the type of the mount with this id. Return: whether this process can see such a mount. */
static bool type_of_mount(uint64_t id, char *type, size_t n)
{
	/* Lines of "36 35 98:0 /root /point options - ext4 source options"; a longer one only loses its end.
	 */
	char line[4096];
	FILE *mounts = fopen("/proc/self/mountinfo", "re");
	bool found = false;

	if (mounts == NULL)
		return false;
	while (!found && fgets(line, sizeof(line), mounts) != NULL) {
		unsigned long long this = 0;
		const char *dash = strstr(line, " - ");

		if (sscanf(line, "%llu ", &this) != 1 || this != id || dash == NULL)
			continue;
		snprintf(type, n, "%.*s", (int)strcspn(dash + 3, " "), dash + 3);
		found = true;
	}
	fclose(mounts);
	return found;
}

static bool is_local(uint64_t mount)
{
	char type[32];

	if (!type_of_mount(mount, type, sizeof(type)))
		return false;
	for (size_t i = 0; i < sizeof(local_types) / sizeof(local_types[0]); i++)
		if (strcmp(type, local_types[i]) == 0)
			return true;
	return false;
}

bool vh_memfile_is_memory(int fd)
{
	/* Seals exist on memory only: memfd, tmpfs, hugetlbfs. */
	return fcntl(fd, F_GET_SEALS) >= 0;
}

const char *vh_memfile_check(int fd, uint64_t size)
{
	struct statx st;

	/* DONT_SYNC: what the kernel knows, without asking a file system's server. */
	if (statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_TYPE | STATX_SIZE | STATX_MNT_ID, &st) !=
		0)
		return "its descriptor cannot be examined";
	if (!S_ISREG(st.stx_mode))
		return "its descriptor is no file";
	if ((fcntl(fd, F_GETFL) & O_ACCMODE) != O_RDWR)
		return "its file is not open for reading and writing";
	if (st.stx_size < size)
		return "its file is shorter than its regions";
	if (!vh_memfile_is_memory(fd) && !is_local(st.stx_mnt_id))
		return "its file lies on a file system that may keep the switch waiting";
	return NULL;
}
