/*
 * Stands in for QEMU: writes what it was started with, one fact per line, to the file named by
 * FAKE_EMULATOR_REPORT. It opens that file last, so that the descriptors it lists are those it was given.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_FD 300

int main(int argc, char **argv)
{
	const char *path = getenv("FAKE_EMULATOR_REPORT");
	struct sigaction child;
	char open_fds[MAX_FD];
	struct stat st[MAX_FD];
	FILE *report;

	for (int fd = 0; fd < MAX_FD; fd++)
		open_fds[fd] = fstat(fd, &st[fd]) == 0;
	report = path ? fopen(path, "w") : NULL;
	if (!report)
		return 3;
	fprintf(report, "pid %ld\n", (long)getpid());
	for (int i = 0; i < argc; i++) {
		fputs("arg ", report);
		for (const unsigned char *c = (const unsigned char *)argv[i]; *c; c++)
			fprintf(report, "%02x", *c);
		fputc('\n', report);
	}
	for (int fd = 0; fd < MAX_FD; fd++)
		if (open_fds[fd])
			fprintf(report, "fd %d %lu\n", fd, (unsigned long)st[fd].st_ino);
	sigaction(SIGCHLD, NULL, &child);
	fprintf(report, "sigchld %s\n", child.sa_handler == SIG_IGN ? "ignored" : "default");
	return fclose(report) == 0 ? 0 : 3;
}
