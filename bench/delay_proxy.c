/* A TCP proxy that holds every byte back for a while, as a long way would; without loss or limit
 * of bandwidth.
 *
 *   delay_proxy LISTEN TARGET MILLISECONDS      ports on 127.0.0.1; LISTEN 0 takes a free one;
 *                                               the milliseconds are those of one way
 *
 * Says {"port":N} when it listens. SIGUSR1 makes it print its counters as one line of JSON and
 * start them anew; SIGTERM does the same and ends it. "turns" is how often the word went from a
 * server back to its client: the round trips that clients began, whatever they sent in each.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

enum { PAIRS_MAX = 1024, READ_MAX = 1 << 20, EVENTS = 256 };

static const int64_t SECOND = 1000000000;
static const int64_t AGAIN = 200000; /* ns to wait for a socket that takes no more */

struct chunk {
    struct chunk *next;
    int64_t due; /* monotonic ns */
    size_t length, written;
    char bytes[];
};

/* One of the two ends of a pair: what is to be written to it, and whether it still speaks. */
struct end {
    int fd;
    bool is_client;
    bool finished; /* it has sent all it will */
    bool told;     /* it knows that its peer has finished */
    struct chunk *first, *last;
    struct end *peer;
    struct pair *pair;
};

struct pair {
    struct end client, server;
    bool server_spoke_last;
};

static struct {
    long turns, client_chunks, server_chunks;
} counted;

static struct pair *pairs[PAIRS_MAX];
static int pair_count;
static int64_t delay;
static uint16_t target;
static int poll_fd, timer_fd;
static char buffer[READ_MAX];

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static int64_t now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * SECOND + time.tv_nsec;
}

static void watch(int fd, void *who)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = who};
    if (epoll_ctl(poll_fd, EPOLL_CTL_ADD, fd, &event) < 0)
        die("epoll_ctl");
}

static void report(void)
{
    printf("{\"turns\":%ld,\"client_chunks\":%ld,\"server_chunks\":%ld}\n", counted.turns,
           counted.client_chunks, counted.server_chunks);
    fflush(stdout);
    memset(&counted, 0, sizeof counted);
}

static struct sockaddr_in loopback(uint16_t port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
}

static void send_at_once(int fd)
{
    int one = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
}

static void join(int client)
{
    struct sockaddr_in address = loopback(target);
    struct pair *pair = calloc(1, sizeof *pair);
    int server = socket(AF_INET, SOCK_STREAM, 0);
    if (!pair || server < 0)
        die("socket");
    if (pair_count == PAIRS_MAX || connect(server, (struct sockaddr *)&address, sizeof address)) {
        perror("a connection is refused");
        close(client);
        close(server);
        free(pair);
        return;
    }
    send_at_once(client);
    send_at_once(server);
    pair->client = (struct end){
        .fd = client, .is_client = true, .peer = &pair->server, .pair = pair};
    pair->server = (struct end){.fd = server, .peer = &pair->client, .pair = pair};
    pair->server_spoke_last = true; /* a server greets first (RFC 5321 §3.1) */
    pairs[pair_count++] = pair;
    watch(client, &pair->client);
    watch(server, &pair->server);
}

static void count(struct end *from)
{
    struct pair *pair = from->pair;
    if (from->is_client) {
        counted.client_chunks++;
        counted.turns += pair->server_spoke_last;
    } else {
        counted.server_chunks++;
    }
    pair->server_spoke_last = !from->is_client;
}

/* Reads what one end has to say and lays it by for the other. */
static void take(struct end *from)
{
    ssize_t length = recv(from->fd, buffer, sizeof buffer, MSG_DONTWAIT);
    struct end *to = from->peer;
    struct chunk *chunk;
    if (length < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (length <= 0) {
        from->finished = true;
        epoll_ctl(poll_fd, EPOLL_CTL_DEL, from->fd, NULL);
        return;
    }
    count(from);
    chunk = malloc(sizeof *chunk + (size_t)length);
    if (!chunk)
        die("malloc");
    chunk->next = NULL;
    chunk->due = now() + delay;
    chunk->length = (size_t)length;
    chunk->written = 0;
    memcpy(chunk->bytes, buffer, (size_t)length);
    if (to->last)
        to->last->next = chunk;
    else
        to->first = chunk;
    to->last = chunk;
}

/* Writes what is due to one end; when it wants to be called again, or 0. */
static int64_t pass_on(struct end *to, int64_t time)
{
    while (to->first && to->first->due <= time) {
        struct chunk *chunk = to->first;
        ssize_t sent = send(to->fd, chunk->bytes + chunk->written, chunk->length - chunk->written,
                            MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent < 0 && errno == EAGAIN)
            return time + AGAIN;
        chunk->written = sent < 0 ? chunk->length : chunk->written + (size_t)sent;
        if (chunk->written < chunk->length)
            return time + AGAIN;
        to->first = chunk->next;
        if (!to->first)
            to->last = NULL;
        free(chunk);
    }
    if (to->first)
        return to->first->due;
    if (to->peer->finished && !to->told) {
        shutdown(to->fd, SHUT_WR);
        to->told = true;
    }
    return 0;
}

static void part(int number)
{
    struct pair *pair = pairs[number];
    close(pair->client.fd);
    close(pair->server.fd);
    free(pair);
    pairs[number] = pairs[--pair_count];
}

static int64_t sooner(int64_t one, int64_t other)
{
    if (one == 0 || other == 0)
        return one + other;
    return one < other ? one : other;
}

/* Passes on all that is due and sets the clock for what comes next. */
static void pass_all_on(void)
{
    int64_t time = now(), next = 0;
    struct itimerspec alarm = {0};
    for (int number = 0; number < pair_count;) {
        struct pair *pair = pairs[number];
        next = sooner(next, pass_on(&pair->client, time));
        next = sooner(next, pass_on(&pair->server, time));
        if (pair->client.told && pair->server.told)
            part(number);
        else
            number++;
    }
    alarm.it_value.tv_sec = next / SECOND;
    alarm.it_value.tv_nsec = next % SECOND; /* all zero: no alarm */
    if (timerfd_settime(timer_fd, TFD_TIMER_ABSTIME, &alarm, NULL) < 0)
        die("timerfd_settime");
}

static int listen_on(uint16_t port)
{
    struct sockaddr_in address = loopback(port);
    socklen_t size = sizeof address;
    int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (fd < 0)
        die("socket");
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(fd, (struct sockaddr *)&address, sizeof address) < 0 || listen(fd, 1024) < 0)
        die("listen");
    getsockname(fd, (struct sockaddr *)&address, &size);
    printf("{\"port\":%d}\n", ntohs(address.sin_port));
    fflush(stdout);
    return fd;
}

static int signals(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigaddset(&set, SIGTERM);
    sigprocmask(SIG_BLOCK, &set, NULL);
    return signalfd(-1, &set, SFD_NONBLOCK);
}

static void obey_signal(int fd)
{
    struct signalfd_siginfo signal;
    while (read(fd, &signal, sizeof signal) == sizeof signal) {
        report();
        if (signal.ssi_signo == SIGTERM)
            exit(0);
    }
}

int main(int argc, char **argv)
{
    int listener, signalled, fd;
    uint64_t rung;
    if (argc != 4) {
        fprintf(stderr, "usage: delay_proxy LISTEN TARGET MILLISECONDS\n");
        return 2;
    }
    target = (uint16_t)atoi(argv[2]);
    delay = (int64_t)(atof(argv[3]) * 1e6);
    poll_fd = epoll_create1(0);
    timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
    signalled = signals();
    listener = listen_on((uint16_t)atoi(argv[1]));
    watch(listener, &listener);
    watch(signalled, &signalled);
    watch(timer_fd, &timer_fd);
    for (;;) {
        struct epoll_event events[EVENTS];
        int happened = epoll_wait(poll_fd, events, EVENTS, -1);
        if (happened < 0 && errno != EINTR)
            die("epoll_wait");
        for (int i = 0; i < happened; i++) {
            void *who = events[i].data.ptr;
            if (who == &listener) {
                while ((fd = accept4(listener, NULL, NULL, 0)) >= 0)
                    join(fd);
            } else if (who == &signalled) {
                obey_signal(signalled);
            } else if (who == &timer_fd) {
                ssize_t ignored = read(timer_fd, &rung, sizeof rung); /* or it rings for ever */
                (void)ignored;
            } else {
                take(who);
            }
        }
        pass_all_on();
    }
}
