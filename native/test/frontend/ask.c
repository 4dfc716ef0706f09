/*
 * ask SOCKET
 *
 * Carries what comes on its input to a UNIX socket, and what the other side answers to its output, until that
 * closes. Its own end stays open: Node ends a conversation that one side has half closed. For machines that
 * have no program of the kind.
 */
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* Return: whether everything arrived. */
static int carry(int from, int to)
{
	char buffer[4096];
	ssize_t n;

	while ((n = read(from, buffer, sizeof(buffer))) > 0)
		if (write(to, buffer, (size_t)n) != n)
			return 0;
	return n == 0;
}

int main(int argc, char **argv)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	int sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (argc != 2 || strlen(argv[1]) >= sizeof(at.sun_path)) {
		fprintf(stderr, "usage: ask SOCKET\n");
		return 2;
	}
	memcpy(at.sun_path, argv[1], strlen(argv[1]));
	if (sock < 0 || connect(sock, (struct sockaddr *)&at, sizeof(at)) != 0) {
		perror(argv[1]);
		return 1;
	}
	return carry(STDIN_FILENO, sock) && carry(sock, STDOUT_FILENO) ? 0 : 1;
}
