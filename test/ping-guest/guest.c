/*
 * A guest of one file: boots by multiboot in a second even where QEMU emulates a processor that is emulated
 * itself, finds its virtio-net card (legacy interface, virtio 1.2, 4.1.4.10), answers ARP and ping, and pings.
 *
 *   -append "me=N ask=M"   its address is 10.0.0.N; it pings 10.0.0.M, or nobody
 *
 * Over the serial line it says "up", then "reply K" for the K-th answered ping, whose content it has compared.
 * Told "m" there, it has its frames in the memory that was plugged in, from then on, and says "moved".
 */
#include <stdint.h>

/* QEMU's own default is 256; that of Debian 13 (10.0.13) makes them this long whatever it is told. */
#define QUEUE_MOST 1024
#define BUFFERS 64 /* of the receive queue */
#define BUFFER 2048
#define HEADER 10 /* of a frame, without mergeable buffers */
#define PAYLOAD 32
/* Where QEMU puts the first DIMM that is plugged in, and where it is seen here. */
#define DIMM 0x100000000ULL
#define WINDOW 0xc0000000U

struct desc {
	uint64_t addr;
	uint32_t len;
	uint16_t flags, next;
};

struct queue {
	uint16_t size, seen, next;
	struct desc *desc;
	volatile uint16_t *avail; /* flags, idx, ring */
	volatile uint16_t *used;  /* flags, idx, then (id, len) */
};

/* Two queues of at most QUEUE_MOST entries, each in pages of its own, and buffers. */
static uint8_t rings[2][8 * 4096] __attribute__((aligned(4096)));
static uint8_t near[BUFFERS + 1][BUFFER];
static uint32_t pages[1024] __attribute__((aligned(4096)));
static uint8_t *received[BUFFERS], *sent = near[BUFFERS];
static int moved;
static struct queue rx, tx;
static uint16_t io; /* the card's ports */
static uint8_t mac[6], other[6], me, ask;
static int other_known;
static uint32_t sequence, replies;

struct multiboot {
	uint32_t flags, mem_lower, mem_upper, boot, command_line;
};

static inline void outb(uint16_t port, uint8_t v)
{
	__asm__ volatile("outb %0, %1" ::"a"(v), "Nd"(port));
}

static inline void outw(uint16_t port, uint16_t v)
{
	__asm__ volatile("outw %0, %1" ::"a"(v), "Nd"(port));
}

static inline void outl(uint16_t port, uint32_t v)
{
	__asm__ volatile("outl %0, %1" ::"a"(v), "Nd"(port));
}

static inline uint8_t inb(uint16_t port)
{
	uint8_t v;

	__asm__ volatile("inb %1, %0" : "=a"(v) : "Nd"(port));
	return v;
}

static inline uint16_t inw(uint16_t port)
{
	uint16_t v;

	__asm__ volatile("inw %1, %0" : "=a"(v) : "Nd"(port));
	return v;
}

static inline uint32_t inl(uint16_t port)
{
	uint32_t v;

	__asm__ volatile("inl %1, %0" : "=a"(v) : "Nd"(port));
	return v;
}

void *memcpy(void *to, const void *from, __SIZE_TYPE__ n)
{
	for (__SIZE_TYPE__ i = 0; i < n; i++)
		((volatile uint8_t *)to)[i] = ((const uint8_t *)from)[i];
	return to;
}

static void print(const char *s)
{
	while (*s != '\0')
		outb(0x3f8, (uint8_t)*s++);
}

static void print_number(uint32_t n)
{
	char text[12] = {0};
	int at = 11;

	do
		text[--at] = (char)('0' + n % 10);
	while ((n /= 10) != 0);
	print(text + at);
}

/*
 * Has the processor look its pages up anew. Where QEMU emulates it (7.2), a page's mark as written may be taken, to be
 * sent, in the moment in which it is put; after that the processor writes to the page without a mark until it looks it
 * up again, and a migration loses what it wrote. A guest with many processes does this all the time.
 */
static void forget_pages(void)
{
	__asm__ volatile("mov %%cr3, %%eax\n"
			 "mov %%eax, %%cr3\n" ::
				 : "eax", "memory");
}

/* 4 MiB at a time, each where it is, but for the window (PSE-36: from bit 13 on stands what is above 4 GiB). */
static void map_window(void)
{
	for (uint32_t i = 0; i < 1024; i++)
		pages[i] = i << 22 | 0x83;
	pages[WINDOW >> 22] = (uint32_t)(DIMM >> 32) << 13 | 0x83;
	__asm__ volatile("mov %%cr4, %%eax\n"
			 "or $0x10, %%eax\n"
			 "mov %%eax, %%cr4\n"
			 "mov %0, %%cr3\n"
			 "mov %%cr0, %%eax\n"
			 "or $0x80000000, %%eax\n"
			 "mov %%eax, %%cr0\n" ::"r"(pages)
			 : "eax", "memory");
}

/* What the card is to be told of a place. */
static uint64_t physical(const uint8_t *p)
{
	return (uintptr_t)p >= WINDOW ? DIMM + ((uintptr_t)p - WINDOW) : (uintptr_t)p;
}

/* Descriptors as the processor reads them (Intel SDM 3A, 3.4.5 and 6.11): all of memory, as code and as data. */
static const uint64_t segments[] = {0, 0x00cf9a000000ffffULL, 0x00cf92000000ffffULL};
static uint64_t gates[0x21];
void on_timer(void);

struct table {
	uint16_t limit;
	uint32_t base;
} __attribute__((packed));

/* A hundred interrupts a second, so that a guest with nothing to do costs its host next to nothing. */
static void start_timer(void)
{
	static const uint8_t controller[] = {0x11, 0x20, 4, 1};
	struct table gdt = {sizeof(segments) - 1, (uint32_t)(uintptr_t)segments};
	struct table idt = {sizeof(gates) - 1, (uint32_t)(uintptr_t)gates};
	uint32_t handler = (uint32_t)(uintptr_t)on_timer;

	gates[0x20] = (uint64_t)(handler >> 16) << 48 | 0x8e0000080000ULL | (handler & 0xffff);
	for (uint32_t i = 0; i < sizeof(controller); i++)
		outb(i == 0 ? 0x20 : 0x21, controller[i]);
	outb(0x21, 0xfe);
	outb(0xa1, 0xff);
	outb(0x43, 0x34);
	outb(0x40, 11932 & 0xff);
	outb(0x40, 11932 >> 8);
	__asm__ volatile("lgdt %0\n"
			 "lidt %1\n"
			 "ljmp $8, $1f\n"
			 "1: mov $16, %%eax\n"
			 "mov %%eax, %%ds\n"
			 "mov %%eax, %%es\n"
			 "mov %%eax, %%ss\n"
			 "sti\n" ::"m"(gdt), "m"(idt)
			 : "eax", "memory");
}

static void rest(void)
{
	__asm__ volatile("hlt" ::: "memory");
}

static int has_dimm(void)
{
	volatile uint32_t *word = (volatile uint32_t *)WINDOW;

	*word = 0x12345678;
	word[1] = 0;
	return *word == 0x12345678;
}

/* The number behind `name` on the command line, or 0. */
static uint8_t argument(const char *line, const char *name)
{
	for (; *line != '\0'; line++) {
		const char *a = line, *b = name;
		uint32_t n = 0;

		while (*b != '\0' && *a == *b)
			a++, b++;
		if (*b != '\0')
			continue;
		while (*a >= '0' && *a <= '9')
			n = n * 10 + (uint32_t)(*a++ - '0');
		return (uint8_t)n;
	}
	return 0;
}

static uint32_t pci_read(uint32_t slot, uint32_t at)
{
	outl(0xcf8, 0x80000000U | slot << 11 | at);
	return inl(0xcfc);
}

static int find_card(void)
{
	for (uint32_t slot = 0; slot < 32; slot++) {
		if (pci_read(slot, 0) != 0x10001af4U)
			continue;
		io = (uint16_t)(pci_read(slot, 0x10) & ~3U);
		/* Ports and bus mastering. */
		outl(0xcf8, 0x80000000U | slot << 11 | 4);
		outl(0xcfc, inl(0xcfc) | 5);
		return 1;
	}
	return 0;
}

static void set_up(struct queue *q, uint16_t number)
{
	uint8_t *page = rings[number];
	uint32_t used;

	outw(io + 14, number);
	q->size = inw(io + 12);
	if (q->size > QUEUE_MOST) {
		print("a queue is too long\n");
		for (;;)
			rest();
	}
	q->seen = q->next = 0;
	q->desc = (struct desc *)page;
	q->avail = (uint16_t *)(page + 16 * q->size);
	used = (16U * q->size + 6 + 2 * q->size + 4095) & ~4095U;
	q->used = (uint16_t *)(page + used);
	for (uint32_t i = 0; i < sizeof(rings[0]); i++)
		((volatile uint8_t *)page)[i] = 0;
	outl(io + 8, (uint32_t)(uintptr_t)page >> 12);
}

static void offer(struct queue *q, uint16_t number, uint16_t id)
{
	q->avail[2 + q->avail[1] % q->size] = id;
	__asm__ volatile("" ::: "memory");
	q->avail[1]++;
	__sync_synchronize();
	outw(io + 16, number);
}

static void start_card(void)
{
	outb(io + 18, 0);
	outb(io + 18, 3);
	outl(io + 4, 0);
	set_up(&rx, 0);
	set_up(&tx, 1);
	for (int i = 0; i < 6; i++)
		mac[i] = inb((uint16_t)(io + 20 + i));
	outb(io + 18, 7);
	for (uint16_t i = 0; i < BUFFERS; i++) {
		received[i] = near[i];
		rx.desc[i] = (struct desc){physical(received[i]), BUFFER, 2, 0};
		offer(&rx, 0, i);
	}
}

/* Whoever reads the queue needs a moment, or is away for long. */
static void await_sent(void)
{
	for (uint32_t i = 0; tx.used[1] != tx.next; i++)
		if (i > 10000)
			rest();
}

/* One frame at a time: `sent` is the buffer of all. */
static void transmit(uint32_t n)
{
	await_sent();
	tx.desc[0] = (struct desc){physical(sent), HEADER + (n < 60 ? 60 : n), 0, 0};
	tx.next++;
	offer(&tx, 1, 0);
	await_sent();
}

static uint16_t checksum(const uint8_t *p, uint32_t n)
{
	uint32_t sum = 0;

	for (uint32_t i = 0; i + 1 < n; i += 2)
		sum += (uint32_t)p[i] << 8 | p[i + 1];
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

static void put16(uint8_t *p, uint16_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static uint8_t *frame_to(const uint8_t *to, uint16_t type)
{
	uint8_t *f = sent + HEADER;

	for (int i = 0; i < HEADER + 128; i++)
		sent[i] = 0;
	memcpy(f, to, 6);
	memcpy(f + 6, mac, 6);
	put16(f + 12, type);
	return f;
}

static void send_arp(uint16_t operation, const uint8_t *to, const uint8_t *whom, uint8_t address)
{
	static const uint8_t head[] = {0, 1, 8, 0, 6, 4};
	uint8_t *f = frame_to(to, 0x0806);

	memcpy(f + 14, head, 6);
	put16(f + 20, operation);
	memcpy(f + 22, mac, 6);
	f[28] = 10, f[31] = me;
	memcpy(f + 32, whom, 6);
	f[38] = 10, f[41] = address;
	transmit(60);
}

/* What a ping of this number carries. */
static uint8_t content(uint32_t number, uint32_t i)
{
	return (uint8_t)(number * 7 + i * 13 + me);
}

static void send_ping(void)
{
	uint8_t *f = frame_to(other, 0x0800), *ip = f + 14, *icmp = ip + 20;

	sequence++;
	ip[0] = 0x45;
	put16(ip + 2, 28 + PAYLOAD);
	ip[8] = 64, ip[9] = 1;
	ip[12] = 10, ip[15] = me;
	ip[16] = 10, ip[19] = ask;
	put16(ip + 10, checksum(ip, 20));
	icmp[0] = 8;
	put16(icmp + 4, 0x1234);
	put16(icmp + 6, (uint16_t)sequence);
	for (uint32_t i = 0; i < PAYLOAD; i++)
		icmp[8 + i] = content(sequence, i);
	put16(icmp + 2, checksum(icmp, 8 + PAYLOAD));
	transmit(42 + PAYLOAD);
}

static void on_arp(const uint8_t *f)
{
	if (f[41] != me || f[38] != 10)
		return;
	if (f[21] == 1)
		send_arp(2, f + 6, f + 22, f[31]);
	if (f[21] == 2 && f[31] == ask) {
		memcpy(other, f + 22, 6);
		other_known = 1;
	}
}

static void on_ip(const uint8_t *f, uint32_t n)
{
	const uint8_t *ip = f + 14, *icmp = ip + 20;

	if (n < 42 + PAYLOAD || ip[9] != 1 || ip[19] != me || checksum(icmp, 8 + PAYLOAD) != 0)
		return;
	if (icmp[0] == 8) {
		uint8_t *answer = frame_to(f + 6, 0x0800);

		memcpy(answer + 14, ip, 28 + PAYLOAD);
		memcpy(answer + 26, ip + 16, 4);
		memcpy(answer + 30, ip + 12, 4);
		answer[34] = 0;
		put16(answer + 36, 0);
		put16(answer + 36, checksum(answer + 34, 8 + PAYLOAD));
		transmit(42 + PAYLOAD);
	}
	if (icmp[0] != 0 || icmp[6] != (uint8_t)(sequence >> 8) || icmp[7] != (uint8_t)sequence)
		return;
	for (uint32_t i = 0; i < PAYLOAD; i++)
		if (icmp[8 + i] != content(sequence, i))
			return;
	print("reply ");
	print_number(++replies);
	print("\n");
}

static void receive(void)
{
	while (rx.seen != rx.used[1]) {
		volatile uint32_t *entry = (volatile uint32_t *)(rx.used + 2) + 2 * (rx.seen % rx.size);
		uint16_t id = (uint16_t)entry[0];
		uint32_t n = entry[1] - HEADER;
		const uint8_t *f = received[id] + HEADER;

		__asm__ volatile("" ::: "memory");
		if (n >= 42 && f[12] == 8 && f[13] == 6)
			on_arp(f);
		else if (n >= 42 && f[12] == 8 && f[13] == 0)
			on_ip(f, n);
		rx.seen++;
		/* Buffers move as they come back. */
		if (moved)
			received[id] = (uint8_t *)WINDOW + BUFFER * id;
		rx.desc[id].addr = physical(received[id]);
		offer(&rx, 0, id);
	}
}

static void listen(void)
{
	/* Line status: a byte is there. */
	if ((inb(0x3fd) & 1) == 0 || inb(0x3f8) != 'm')
		return;
	moved = has_dimm();
	if (moved)
		sent = (uint8_t *)WINDOW + BUFFER * BUFFERS;
	print(moved ? "moved\n" : "no memory there\n");
}

__attribute__((used)) static void run(const struct multiboot *info)
{
	static const uint8_t all[6] = {255, 255, 255, 255, 255, 255}, none[6];
	const char *line = (const char *)(uintptr_t)info->command_line;

	me = argument(line, "me=");
	ask = argument(line, "ask=");
	if (!find_card()) {
		print("no card\n");
		return;
	}
	map_window();
	start_timer();
	start_card();
	print("up\n");
	for (;;) {
		rest();
		forget_pages();
		receive();
		listen();
		if (ask == 0)
			continue;
		if (other_known)
			send_ping();
		else
			send_arp(1, all, none, ask);
	}
}

__asm__(".section .multiboot, \"a\"\n"
	".align 4\n"
	".long 0x1badb002, 0, -0x1badb002\n"
	".section .text\n"
	".globl start\n"
	"start:\n"
	"cli\n"
	"mov $stack_top, %esp\n"
	"push %ebx\n"
	"call run\n"
	"halt: cli\n"
	"hlt\n"
	"jmp halt\n"
	".globl on_timer\n"
	"on_timer:\n"
	"push %eax\n"
	"mov $0x20, %al\n"
	"out %al, $0x20\n"
	"pop %eax\n"
	"iret\n"
	".section .bss\n"
	".align 16\n"
	".skip 16384\n"
	"stack_top:\n"
	".text\n");
