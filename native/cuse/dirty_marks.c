#include "dirty_marks.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

struct vh_cuse_marks vh_cuse_no_marks(void)
{
	return (struct vh_cuse_marks){.file = -1};
}

void vh_cuse_marks_drop(struct vh_cuse_marks *m)
{
	if (m->map != NULL)
		munmap(m->map, m->size);
	if (m->file >= 0)
		close(m->file);
	*m = vh_cuse_no_marks();
}

int vh_cuse_marks_make(struct vh_cuse_marks *m, uint64_t size)
{
	void *map = MAP_FAILED;
	int error;

	*m = vh_cuse_no_marks();
	m->file = memfd_create("vhost-log", MFD_CLOEXEC);
	if (m->file >= 0 && ftruncate(m->file, (off_t)size) == 0)
		map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, m->file, 0);
	error = -errno;
	if (map == MAP_FAILED) {
		vh_cuse_marks_drop(m);
		return error;
	}
	m->map = map;
	m->size = size;
	return 0;
}

void vh_cuse_log_lost(struct vh_cuse_log *log, struct vh_cuse_port *port)
{
	port->log_lost = port->log != 0 && (log->marks.map != NULL || port->log_lost);
	vh_cuse_marks_drop(&log->marks);
}
