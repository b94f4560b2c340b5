/* Asks for hardware addresses and times the answers with the kernel's own timestamps.
 *
 *   l2_client IF arp|ndp FIRST COUNT latency RATE SECONDS    open loop: RATE questions a second, over COUNT consecutive IPs
 *   l2_client IF arp|ndp FIRST COUNT closed WINDOW SECONDS   closed loop: WINDOW questions under way
 *   l2_client IF arp|ndp FIRST COUNT noise RATE SECONDS      questions that nobody answers, sent only
 *
 * A question carries its number in the sender's hardware address (02:5e and 4 octets), to which the answer is sent; so the answer says
 * which question it is to. In "latency" both ends are kernel timestamps (SO_TIMESTAMPNS) of the same packet socket, the question's on its
 * way out, so that when this process gets to run does not count. Prints one line of JSON.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <net/if.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <time.h>
#include <unistd.h>

#define BATCH 64
#define MOST (1 << 22)

static int is_arp, receive_fd, send_fd;
static uint32_t targets;
static uint8_t mac[6], first[16], source[16];
static int64_t *asked, *answered;
static int64_t under_way, replies, duplicates;

static int64_t now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static uint32_t word_sum(const uint8_t *octets, int length) {
  uint32_t sum = 0;
  for (int at = 0; at < length; at += 2) sum += octets[at] << 8 | octets[at + 1];
  return sum;
}

static void target_of(uint32_t number, uint8_t *target) {
  int at = is_arp ? 0 : 12;
  memcpy(target, first, 16);
  uint32_t low = ((uint32_t)target[at] << 24 | target[at + 1] << 16 | target[at + 2] << 8 | target[at + 3]) + number % targets;
  for (int octet = 0; octet < 4; octet++) target[at + octet] = low >> (24 - 8 * octet);
}

static int question(uint8_t *frame, uint32_t number) {
  uint8_t who[6] = {2, 0x5e, number >> 24, number >> 16, number >> 8, number}, target[16];
  target_of(number, target);
  memset(frame, 0, 96);
  memcpy(frame + 6, mac, 6);
  if (is_arp) {
    static const uint8_t fixed[] = {8, 6, 0, 1, 8, 0, 6, 4, 0, 1};
    memset(frame, 0xff, 6);
    memcpy(frame + 12, fixed, 10);
    memcpy(frame + 22, who, 6);
    memcpy(frame + 28, source, 4);
    memcpy(frame + 38, target, 4);
    return 42;
  }
  static const uint8_t header[] = {0x86, 0xdd, 0x60, 0, 0, 0, 0, 32, 58, 255}, group[] = {0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff};
  frame[0] = frame[1] = 0x33, frame[2] = 0xff;
  memcpy(frame + 3, target + 13, 3);
  memcpy(frame + 12, header, 10);
  memcpy(frame + 22, source, 16);
  memcpy(frame + 38, group, 13);
  memcpy(frame + 51, target + 13, 3);
  frame[54] = 135;
  memcpy(frame + 62, target, 16);
  frame[78] = frame[79] = 1;
  memcpy(frame + 80, who, 6);
  uint32_t sum = word_sum(frame + 22, 64) + 32 + 58;
  while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
  frame[56] = ~sum >> 8, frame[57] = ~sum;
  return 86;
}

/* The number of the question that a frame is, or is the answer to; -1 for other frames. */
static int64_t number_of(const uint8_t *frame, int length, int is_ours) {
  const uint8_t *who;
  if (is_arp) {
    if (length < 42 || frame[12] != 8 || frame[13] != 6 || frame[21] != (is_ours ? 1 : 2)) return -1;
    who = frame + (is_ours ? 22 : 32);
  } else {
    if (length < 86 || frame[12] != 0x86 || frame[13] != 0xdd || frame[20] != 58 || frame[54] != (is_ours ? 135 : 136)) return -1;
    who = is_ours ? frame + 80 : frame;
  }
  if (who[0] != 2 || who[1] != 0x5e) return -1;
  uint32_t number = (uint32_t)who[2] << 24 | who[3] << 16 | who[4] << 8 | who[5];
  return number < MOST ? number : -1;
}

static int64_t stamp_of(struct msghdr *header) {
  for (struct cmsghdr *c = CMSG_FIRSTHDR(header); c; c = CMSG_NXTHDR(header, c))
    if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_TIMESTAMPNS) {
      struct timespec *t = (void *)CMSG_DATA(c);
      return t->tv_sec * 1000000000LL + t->tv_nsec;
    }
  return 0;
}

static int drain(void) {
  static uint8_t frames[BATCH][128];
  static char controls[BATCH][64];
  static struct sockaddr_ll from[BATCH];
  static struct iovec vectors[BATCH];
  static struct mmsghdr messages[BATCH];
  int total = 0;
  for (;;) {
    for (int i = 0; i < BATCH; i++) {
      vectors[i] = (struct iovec){frames[i], sizeof frames[i]};
      messages[i].msg_hdr = (struct msghdr){&from[i], sizeof from[i], &vectors[i], 1, controls[i], sizeof controls[i], 0};
    }
    int count = recvmmsg(receive_fd, messages, BATCH, MSG_DONTWAIT, 0);
    if (count <= 0) return total;
    for (int i = 0; i < count; i++) {
      int is_ours = from[i].sll_pkttype == PACKET_OUTGOING;
      int64_t number = number_of(frames[i], messages[i].msg_len, is_ours);
      if (number < 0) continue;
      int64_t stamp = stamp_of(&messages[i].msg_hdr);
      if (is_ours) {
        asked[number] = stamp;
      } else if (answered[number]) {
        duplicates++;
      } else {
        answered[number] = stamp, replies++, under_way--, total++;
      }
    }
  }
}

static int ask(uint32_t number, int count) {
  static uint8_t frames[BATCH][96];
  static struct iovec vectors[BATCH];
  static struct mmsghdr messages[BATCH];
  if (count > BATCH) count = BATCH;
  for (int i = 0; i < count; i++) {
    vectors[i] = (struct iovec){frames[i], question(frames[i], number + i)};
    messages[i].msg_hdr = (struct msghdr){.msg_iov = &vectors[i], .msg_iovlen = 1};
  }
  int sent = sendmmsg(send_fd, messages, count, 0);
  return sent < 0 ? 0 : sent;
}

static int ascending(const void *a, const void *b) {
  int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
  return x < y ? -1 : x > y;
}

int main(int count, char **words) {
  if (count != 8) return fprintf(stderr, "l2_client IF arp|ndp FIRST COUNT latency|closed|noise RATE|WINDOW SECONDS\n"), 2;
  is_arp = !strcmp(words[2], "arp");
  inet_pton(is_arp ? AF_INET : AF_INET6, words[3], first);
  inet_pton(is_arp ? AF_INET : AF_INET6, is_arp ? "198.51.100.7" : "2001:db8::7", source);
  targets = atoi(words[4]);
  const char *mode = words[5];
  double amount = atof(words[6]), seconds = atof(words[7]);
  int is_latency = !strcmp(mode, "latency"), is_noise = !strcmp(mode, "noise"), one = 1, large = 64 << 20;
  asked = calloc(MOST, 8), answered = calloc(MOST, 8);
  send_fd = socket(AF_PACKET, SOCK_RAW, 0), receive_fd = socket(AF_PACKET, SOCK_RAW, 0);
  struct ifreq request = {0};
  strncpy(request.ifr_name, words[1], IFNAMSIZ - 1);
  ioctl(send_fd, SIOCGIFHWADDR, &request);
  memcpy(mac, request.ifr_hwaddr.sa_data, 6);
  struct sockaddr_ll where = {.sll_family = AF_PACKET, .sll_ifindex = if_nametoindex(words[1])};
  bind(send_fd, (void *)&where, sizeof where);
  setsockopt(receive_fd, SOL_SOCKET, SO_RCVBUFFORCE, &large, sizeof large);
  setsockopt(receive_fd, SOL_SOCKET, SO_TIMESTAMPNS, &one, sizeof one);
  if (!is_latency) setsockopt(receive_fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &one, sizeof one);
  struct packet_mreq promiscuous = {.mr_ifindex = where.sll_ifindex, .mr_type = PACKET_MR_PROMISC};
  setsockopt(receive_fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &promiscuous, sizeof promiscuous);
  where.sll_protocol = htons(is_latency ? ETH_P_ALL : is_arp ? ETH_P_ARP : ETH_P_IPV6);
  if (!is_noise) bind(receive_fd, (void *)&where, sizeof where);
  uint32_t sent = 0;
  int64_t start = now(), end = start + seconds * 1e9, next = start, last = start;
  struct pollfd readable = {receive_fd, POLLIN, 0};
  while (now() < end && sent + BATCH < MOST) {
    if (is_latency || is_noise) {
      sent += ask(sent, is_noise ? 32 : 1);
      next += (is_noise ? 32 : 1) * 1e9 / amount;
      for (int64_t left; (left = next - now()) > 0;) {
        struct timespec pause = {left / 1000000000, left % 1000000000};
        if (is_noise) nanosleep(&pause, 0);
        else if (ppoll(&readable, 1, &pause, 0) > 0) drain();
      }
    } else {
      int room = amount - under_way, asked_now = room > 0 ? ask(sent, room) : 0;
      sent += asked_now, under_way += asked_now;
      if (drain()) last = now();
      else if (poll(&readable, 1, 5), now() - last > 50000000) under_way = 0, last = now(); /* lost ones are given up */
    }
  }
  double elapsed = (now() - start) / 1e9;
  for (int64_t until = now() + 300000000; !is_noise && is_latency && now() < until;) poll(&readable, 1, 20), drain();
  int64_t *spans = calloc(sent + 1, 8), known = 0;
  for (uint32_t i = 0; i < sent; i++)
    if (asked[i] && answered[i]) spans[known++] = answered[i] - asked[i];
  qsort(spans, known, 8, ascending);
#define AT(part) (known ? spans[(int64_t)((known - 1) * (part))] / 1e3 : -1.0)
  printf("{\"sent\": %u, \"replies\": %ld, \"duplicates\": %ld, \"per_second\": %.0f, \"p50_us\": %.1f, \"p99_us\": %.1f, \"p999_us\": %.1f}\n",
         sent, replies, duplicates, (is_noise ? sent : replies) / elapsed, AT(.5), AT(.99), AT(.999));
  return 0;
}
