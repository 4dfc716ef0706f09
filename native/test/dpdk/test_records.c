/* The file of records: what the next switch finds in it, and what it makes of anything else. */
#include "../../dpdk/proxy/peer_cred.h"
#include "../../dpdk/proxy/ring_record_file.h"
#include "../rig/check.h"
#include "../tests.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define SIZE 256U

static char dir[64];

static struct vh_records *records(void)
{
	struct vh_records *r = calloc(1, sizeof(*r));

	snprintf(r->path, sizeof(r->path), "%s/rings", dir);
	return r;
}

static void begin(void)
{
	snprintf(dir, sizeof(dir), "/tmp/vh-records-XXXXXX");
	REQUIRE(mkdtemp(dir) != NULL);
}

static void end(void)
{
	REQUIRE_EQ(rmdir(dir), 0);
}

/* Every byte of the record that a ring of this size uses is there. */
static struct vh_ring_record *get(struct vh_records *r, uint32_t ring, uint32_t size, int expected)
{
	int error;
	struct vh_ring_record *record = vh_records_of(r, ring, size, &error);

	REQUIRE(record != NULL);
	REQUIRE_EQ(error, expected);
	for (uint64_t i = 0; i < vh_ring_record_bytes(size); i++)
		((volatile char *)record)[i] = ((volatile char *)record)[i];
	return record;
}

static bool is_there(const struct vh_records *r)
{
	struct stat st;

	return lstat(r->path, &st) == 0;
}

void test_records_outlive_the_process(void)
{
	struct vh_records *r, *next;

	begin();
	r = records();
	next = records();
	REQUIRE(!is_there(r));
	get(r, 3, SIZE, 0)->last = 77;
	get(r, 3, SIZE, 0)->in_force = 1;
	/* A switch that is killed closes nothing. */
	REQUIRE_EQ(get(next, 3, SIZE, 0)->last, 77);
	/* Another ring's, and a longer one's, are their own. */
	REQUIRE_EQ(get(next, 2, VH_MAX_QUEUE_SIZE, 0)->last, 0);
	REQUIRE_EQ(get(next, 3, 2 * SIZE, 0)->last, 77);
	/* Its guest is there and knows nothing. */
	vh_records_close(r, true);
	REQUIRE(is_there(r));
	/* It has told the switch where the ring is, and hears the same again. */
	vh_records_told(next, 3);
	REQUIRE_EQ(next->ring[3]->in_force, 1);
	/* Told. */
	vh_records_set_placed(next, 3, true);
	vh_records_told(next, 3);
	vh_records_told(next, 5);
	vh_records_close(next, true);
	REQUIRE(!is_there(r));
	/* A guest that was killed told nobody, and needs nothing. */
	get(r, 0, SIZE, 0)->in_force = 1;
	vh_records_close(r, false);
	REQUIRE(!is_there(r));
	/* A port that had no packed ring leaves alone what is there. */
	REQUIRE_EQ(mkdir(r->path, 0700), 0);
	vh_records_close(r, false);
	REQUIRE_EQ(rmdir(r->path), 0);
	free(r);
	free(next);
	end();
}

void test_records_of_another_kind(void)
{
	struct vh_records *r;
	struct vh_ring_record *record;
	int fd;

	begin();
	r = records();
	/* Another layout, and none. */
	fd = open(r->path, O_RDWR | O_CREAT, 0600);
	REQUIRE(fd >= 0);
	for (int i = 0; i < 4000; i++)
		REQUIRE_EQ(write(fd, "something else, and of another version", 38), 38);
	REQUIRE_EQ(get(r, 0, SIZE, 0)->in_force, 0);
	vh_records_close(r, false);
	REQUIRE(!is_there(r));
	close(fd);
	/* Cut off within the record that is asked for. */
	record = get(r, 1, VH_MAX_QUEUE_SIZE, 0);
	record->was[VH_MAX_QUEUE_SIZE - 1] = 5;
	record->in_force = 1;
	vh_records_close(r, true);
	REQUIRE_EQ(truncate(r->path, 4096 + 100), 0);
	REQUIRE_EQ(get(r, 1, VH_MAX_QUEUE_SIZE, 0)->was[VH_MAX_QUEUE_SIZE - 1], 0);
	vh_records_close(r, false);
	/* No file of ours: there is a record, for as long as the process lives, and nobody's file is touched.
	 */
	REQUIRE_EQ(symlink("/dev/null", r->path), 0);
	get(r, 0, SIZE, -ELOOP);
	REQUIRE(is_there(r));
	vh_records_close(r, true);
	REQUIRE_EQ(unlink(r->path) == 0 || errno == ENOENT, 1);
	REQUIRE_EQ(mkfifo(r->path, 0600), 0);
	get(r, 0, SIZE, -EPERM);
	vh_records_close(r, true);
	REQUIRE_EQ(unlink(r->path) == 0 || errno == ENOENT, 1);
	REQUIRE_EQ(mkdir(r->path, 0700), 0);
	get(r, 0, SIZE, -EISDIR);
	vh_records_close(r, true);
	REQUIRE_EQ(rmdir(r->path), 0);
	snprintf(r->path, sizeof(r->path), "%s/none/rings", dir);
	get(r, 0, SIZE, -ENOENT);
	vh_records_close(r, true);
	free(r);
	end();
}

static pid_t process(void)
{
	pid_t pid = fork();

	REQUIRE(pid >= 0);
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
			pause();
	}
	return pid;
}

static void kill_process(pid_t pid)
{
	REQUIRE_EQ(kill(pid, SIGKILL), 0);
	REQUIRE_EQ(waitpid(pid, NULL, 0), pid);
}

/* One that began after what has happened so far. */
static pid_t later_process(void)
{
	uint64_t now = vh_peer_clock();
	pid_t pid = process();

	for (; vh_peer_began(pid) <= now; pid = process())
		kill_process(pid);
	return pid;
}

/* Connects, and has its ring set up. Return: whether the record is in force for it. */
static bool counts_for(struct vh_records *r, pid_t pid)
{
	vh_records_connected(r, pid);
	return get(r, 1, SIZE, 0)->in_force != 0;
}

void test_records_of_another_process(void)
{
	struct vh_records *r, *next;
	pid_t first = process(), early = process(), late;

	begin();
	for (int restarted = 0; restarted < 2; restarted++) {
		r = records();
		next = restarted ? records() : r;
		REQUIRE(!counts_for(r, first));
		r->ring[1]->in_force = 1;
		/* It comes back. */
		REQUIRE(counts_for(next, first));
		/* There when the record was asked for: it may have the connection from the other. */
		kill_process(first);
		REQUIRE(counts_for(next, early));
		/* Another one, while the one that has connected lives. */
		first = later_process();
		REQUIRE(counts_for(next, first));
		/* And after its end; killed as it was, it never asked where its rings are. */
		kill_process(first);
		late = later_process();
		REQUIRE(!counts_for(next, late));
		/* Nobody knows who that is: of one of the two nothing is concluded. */
		next->ring[1]->in_force = 1;
		REQUIRE(counts_for(next, 0));
		kill_process(late);
		late = later_process();
		REQUIRE(counts_for(next, late));
		/* The number of a process that has ended is another one's. */
		first = later_process();
		next->ring[1]->owner = first;
		REQUIRE(!counts_for(next, first));
		kill_process(late);
		vh_records_close(next, false);
		if (restarted) {
			vh_records_close(r, false);
			free(r);
		}
		free(next);
	}
	kill_process(first);
	kill_process(early);
	end();
}
