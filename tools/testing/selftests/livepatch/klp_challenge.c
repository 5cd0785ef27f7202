// SPDX-License-Identifier: GPL-2.0
/*
 * klp_challenge - make the kernel send challenge ACKs on loopback, and count them
 *
 *	klp_challenge FIRST OTHERS
 *
 * Opens 1 + OTHERS connections to itself and sends, as an attacker would, SYNs into them
 * while they are established: FIRST of them into the first connection, then one into each of the
 * others.  Prints two numbers, the challenge ACKs that the kernel has sent in answer to the one and
 * to the other.
 */
#include <arpa/inet.h>
#include <err.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define MAX_OTHERS	64

/* The exit status if the kernel finds the checksums of the SYNs wrong. */
#define DROPPED		3

#define SPACE		"\n "

struct connection {
	int client;
	int server;
	struct sockaddr_in from;
};

/* Return a counter from the second line with this prefix. The names are in the first one. */
static unsigned long counter_in(const char *path, const char *prefix, const char *wanted)
{
	static char names[1 << 16], values[1 << 16];
	char *name, *value, *names_left = names, *values_left = values;
	FILE *file = fopen(path, "r");

	if (!file)
		err(1, "%s", path);
	do {
		if (!fgets(names, sizeof(names), file) || !fgets(values, sizeof(values), file))
			errx(1, "%s has no %s", path, prefix);
	} while (strncmp(names, prefix, strlen(prefix)));
	fclose(file);

	while ((name = strsep(&names_left, SPACE)) && (value = strsep(&values_left, SPACE))) {
		if (!strcmp(name, wanted))
			return strtoul(value, NULL, 10);
	}
	errx(1, "%s has no %s", path, wanted);
}

static unsigned long counter(const char *wanted)
{
	return counter_in("/proc/net/netstat", "TcpExt:", wanted);
}

static unsigned long wrong_checksums(void)
{
	return counter_in("/proc/net/snmp", "Tcp:", "InCsumErrors");
}

static void open_connection(struct connection *con, int listener, struct sockaddr_in *to)
{
	socklen_t len = sizeof(con->from);

	con->client = socket(AF_INET, SOCK_STREAM, 0);
	if (con->client < 0 || connect(con->client, (struct sockaddr *)to, sizeof(*to)))
		err(1, "connect");
	con->server = accept(listener, (struct sockaddr *)&con->from, &len);
	if (con->server < 0)
		err(1, "accept");
}

static uint32_t sum(const void *data, size_t size)
{
	uint32_t total = 0;
	uint16_t word;
	size_t i;

	for (i = 0; i + sizeof(word) <= size; i += sizeof(word)) {
		memcpy(&word, (const char *)data + i, sizeof(word));
		total += word;
	}
	return total;
}

static void send_syn(int raw, const struct connection *con, const struct sockaddr_in *to)
{
	struct tcphdr tcp = {
		.source = con->from.sin_port,
		.dest = to->sin_port,
		.seq = htonl(1),
		.doff = sizeof(tcp) / 4,
		.syn = 1,
		.window = htons(1024),
	};
	struct {
		struct in_addr from, to;
		uint16_t protocol, length;
	} pseudo = {
		.from = con->from.sin_addr,
		.to = to->sin_addr,
		.protocol = htons(IPPROTO_TCP),
		.length = htons(sizeof(tcp)),
	};
	uint32_t total = sum(&pseudo, sizeof(pseudo)) + sum(&tcp, sizeof(tcp));

	while (total >> 16)
		total = (total & 0xffff) + (total >> 16);
	tcp.check = ~total;

	if (sendto(raw, &tcp, sizeof(tcp), 0, (const struct sockaddr *)to, sizeof(*to)) < 0)
		err(1, "sendto");
}

static void wait_for_syns(unsigned long wanted, unsigned long wrong)
{
	int tries;

	for (tries = 0; counter("TCPSYNChallenge") < wanted; tries++) {
		if (wrong_checksums() != wrong)
			errx(DROPPED, "the kernel has dropped SYNs because of their checksums");
		if (tries == 5000)
			errx(1, "the kernel has not seen the SYNs");
		usleep(1000);
	}
	/* The kernel counts the answer after sending it. */
	usleep(1000);
}

int main(int argc, char **argv)
{
	struct sockaddr_in to = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	static struct connection cons[1 + MAX_OTHERS];
	unsigned long syns, before, between, after, wrong;
	socklen_t len = sizeof(to);
	int first, others, listener, raw, i;

	if (argc != 3)
		return 2;
	first = atoi(argv[1]);
	others = atoi(argv[2]);
	if (first < 0 || others < 0 || others > MAX_OTHERS)
		return 2;

	raw = socket(AF_INET, SOCK_RAW, IPPROTO_TCP);
	if (raw < 0)
		err(1, "raw socket");
	listener = socket(AF_INET, SOCK_STREAM, 0);
	if (listener < 0 || bind(listener, (struct sockaddr *)&to, sizeof(to)) ||
	    listen(listener, 1 + MAX_OTHERS) ||
	    getsockname(listener, (struct sockaddr *)&to, &len))
		err(1, "listener");
	for (i = 0; i <= others; i++)
		open_connection(&cons[i], listener, &to);

	wrong = wrong_checksums();
	syns = counter("TCPSYNChallenge");
	before = counter("TCPChallengeACK");
	for (i = 0; i < first; i++)
		send_syn(raw, &cons[0], &to);
	wait_for_syns(syns + first, wrong);
	between = counter("TCPChallengeACK");
	for (i = 1; i <= others; i++)
		send_syn(raw, &cons[i], &to);
	wait_for_syns(syns + first + others, wrong);
	after = counter("TCPChallengeACK");

	printf("%lu %lu\n", between - before, after - between);
	return 0;
}
