/* An SMTP server that takes every message, quickly, and counts (RFC 5321, PIPELINING of RFC 2920).
 *
 *   sink PORT [-p] [-d FOLDER]      PORT 0 takes a free one
 *     -p         does not announce PIPELINING
 *     -d FOLDER  keeps every message as FOLDER/000001.eml (dots as they came); for a few of them
 *
 * It costs its machine as little as it can, so that clients are measured and not the server: one
 * thread, epoll, one read for as much as is there, all replies of one read in one write. It is
 * strict where a client could gain by being wrong: a nested MAIL is refused (503), so are DATA
 * without a recipient (554) and RCPT without MAIL (503).
 *
 * Says {"port":N} when it listens. SIGUSR1 makes it print its counters as one line of JSON and
 * start them anew; SIGTERM does the same and ends it. "replies" counts writes to clients: with one
 * message at a time per connection these are its round trips.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

enum { LINE_MAX_BYTES = 2048, REPLIES_MAX = 64 * 1024, READ_MAX = 1 << 20, EVENTS = 256 };

static const char END_OF_DATA[] = "\r\n.\r\n";
enum { END_LENGTH = sizeof END_OF_DATA - 1 };

struct connection {
    int fd;
    bool in_data;              /* between DATA and the final dot */
    bool has_sender;           /* MAIL was taken */
    int recipients;            /* of the message that is under way */
    char line[LINE_MAX_BYTES]; /* an unfinished command */
    size_t line_length;
    int matched;               /* how many bytes of END_OF_DATA came last */
    char replies[REPLIES_MAX]; /* not yet written */
    size_t replies_length;
    FILE *kept;
};

static struct {
    long connections, messages, recipients, bytes, replies, reads, refused;
} counted;

static bool pipelining = true;
static const char *folder;
static long kept;
static long accepted; /* since the start; names a message in its final 250 */
static char buffer[READ_MAX];

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static double processor_seconds(void)
{
    static double before;
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    double now = (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
                 1e-6 * (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
    double since = now - before;
    before = now;
    return since;
}

static void report(void)
{
    printf("{\"connections\":%ld,\"messages\":%ld,\"recipients\":%ld,\"bytes\":%ld,"
           "\"replies\":%ld,\"reads\":%ld,\"refused\":%ld,\"cpu\":%.4f}\n",
           counted.connections, counted.messages, counted.recipients, counted.bytes,
           counted.replies, counted.reads, counted.refused, processor_seconds());
    fflush(stdout);
    memset(&counted, 0, sizeof counted);
}

__attribute__((format(printf, 2, 3)))
static void reply(struct connection *c, const char *format, ...)
{
    va_list values;
    va_start(values, format);
    size_t room = REPLIES_MAX - c->replies_length;
    int length = vsnprintf(c->replies + c->replies_length, room, format, values);
    va_end(values);
    if (length > 0 && (size_t)length < room)
        c->replies_length += (size_t)length;
}

static void refuse(struct connection *c, const char *text)
{
    counted.refused++;
    reply(c, "%s\r\n", text);
}

/* Writes all replies. A client that reads none has to be waited for: nothing is lost, and the
 * clients measured here always read. */
static void write_replies(struct connection *c)
{
    size_t done = 0;
    if (c->replies_length == 0)
        return;
    counted.replies++;
    while (done < c->replies_length) {
        ssize_t sent = send(c->fd, c->replies + done, c->replies_length - done, MSG_NOSIGNAL);
        if (sent > 0)
            done += (size_t)sent;
        else if (errno == EAGAIN)
            usleep(50);
        else if (errno != EINTR)
            break; /* gone; the next read says so */
    }
    c->replies_length = 0;
}

static void forget_message(struct connection *c)
{
    c->has_sender = false;
    c->recipients = 0;
}

static void begin_data(struct connection *c)
{
    char path[512];
    if (c->recipients == 0) {
        refuse(c, "554 5.5.1 No valid recipients");
        return;
    }
    reply(c, "354 End data with <CR><LF>.<CR><LF>\r\n");
    c->in_data = true;
    c->matched = 2; /* the line end of DATA itself: an empty message is just a dot */
    if (folder) {
        snprintf(path, sizeof path, "%s/%06ld.eml", folder, ++kept);
        c->kept = fopen(path, "w");
    }
}

static void end_data(struct connection *c)
{
    counted.messages++;
    reply(c, "250 2.0.0 Ok: queued as %lX\r\n", ++accepted);
    c->in_data = false;
    forget_message(c);
    if (c->kept) {
        fclose(c->kept);
        c->kept = NULL;
    }
}

static bool is(const char *line, const char *verb)
{
    return strncasecmp(line, verb, strlen(verb)) == 0;
}

/* Obeys one command; false when the client said goodbye. */
static bool obey(struct connection *c, const char *line)
{
    if (is(line, "MAIL FROM:")) {
        if (c->has_sender) {
            refuse(c, "503 5.5.1 Nested MAIL command");
        } else {
            c->has_sender = true;
            reply(c, "250 2.1.0 Ok\r\n");
        }
    } else if (is(line, "RCPT TO:")) {
        if (!c->has_sender) {
            refuse(c, "503 5.5.1 Need MAIL command");
        } else {
            c->recipients++;
            counted.recipients++;
            reply(c, "250 2.1.5 Ok\r\n");
        }
    } else if (is(line, "DATA")) {
        begin_data(c);
    } else if (is(line, "EHLO")) {
        forget_message(c);
        reply(c, "250-sink\r\n%s250-SIZE 52428800\r\n250-8BITMIME\r\n"
                 "250-ENHANCEDSTATUSCODES\r\n250 SMTPUTF8\r\n",
              pipelining ? "250-PIPELINING\r\n" : "");
    } else if (is(line, "HELO") || is(line, "NOOP")) {
        reply(c, "250 2.0.0 Ok\r\n");
    } else if (is(line, "RSET")) {
        forget_message(c);
        reply(c, "250 2.0.0 Ok\r\n");
    } else if (is(line, "QUIT")) {
        reply(c, "221 2.0.0 Bye\r\n");
        return false;
    } else {
        refuse(c, "500 5.5.2 Command unknown");
    }
    return true;
}

/* How many bytes at the end of these could be the first ones of END_OF_DATA. */
static int begun_end(const char *bytes, size_t length)
{
    int most = length < END_LENGTH ? (int)length : END_LENGTH - 1;
    for (int tail = most; tail > 0; tail--)
        if (memcmp(bytes + length - (size_t)tail, END_OF_DATA, (size_t)tail) == 0)
            return tail;
    return 0;
}

/* Takes bytes of a message; how many of them were used (all, or up to its end). */
static size_t take_data(struct connection *c, const char *bytes, size_t length)
{
    size_t used = 0;
    const char *found = NULL;

    /* An end that may have begun in what came before is followed byte by byte. */
    while (c->matched > 0 && c->matched < END_LENGTH && used < length) {
        char byte = bytes[used++];
        if (byte == END_OF_DATA[c->matched])
            c->matched++;
        else
            c->matched = byte == '\r' ? 1 : 0;
    }
    if (c->matched == 0 && used < length) {
        found = memmem(bytes + used, length - used, END_OF_DATA, END_LENGTH);
        if (found) {
            used = (size_t)(found - bytes) + END_LENGTH;
            c->matched = END_LENGTH;
        } else {
            c->matched = begun_end(bytes + used, length - used);
            used = length;
        }
    }
    counted.bytes += (long)used;
    if (c->kept)
        fwrite(bytes, 1, used, c->kept);
    if (c->matched == END_LENGTH)
        end_data(c);
    return used;
}

/* Takes bytes of commands; how many were used, or -1 when the client said goodbye. */
static ssize_t take_command(struct connection *c, const char *bytes, size_t length)
{
    const char *end = memchr(bytes, '\n', length);
    size_t used = end ? (size_t)(end - bytes) + 1 : length;
    if (c->line_length + used < sizeof c->line) {
        memcpy(c->line + c->line_length, bytes, used);
        c->line_length += used;
    }
    if (!end)
        return (ssize_t)used;
    while (c->line_length && strchr("\r\n", c->line[c->line_length - 1]))
        c->line_length--;
    c->line[c->line_length] = '\0';
    c->line_length = 0;
    return obey(c, c->line) ? (ssize_t)used : -1;
}

/* Takes all that was read; false when the connection is over. */
static bool take(struct connection *c, const char *bytes, size_t length)
{
    while (length > 0) {
        ssize_t used = c->in_data ? (ssize_t)take_data(c, bytes, length)
                                  : take_command(c, bytes, length);
        if (used < 0)
            return false;
        bytes += used;
        length -= (size_t)used;
    }
    return true;
}

static void serve(struct connection *c)
{
    ssize_t length = recv(c->fd, buffer, sizeof buffer, 0);
    bool goes_on;
    if (length < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    counted.reads++;
    goes_on = length > 0 && take(c, buffer, (size_t)length);
    write_replies(c);
    if (goes_on)
        return;
    close(c->fd);
    if (c->kept)
        fclose(c->kept);
    free(c);
}

static void greet_newcomers(int listener, int poll)
{
    int fd, one = 1;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
        struct connection *c = calloc(1, sizeof *c);
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
        if (!c)
            die("calloc");
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        c->fd = fd;
        counted.connections++;
        if (epoll_ctl(poll, EPOLL_CTL_ADD, fd, &event) < 0)
            die("epoll_ctl");
        reply(c, "220 sink ESMTP\r\n");
        write_replies(c);
    }
}

static int listen_on(int port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    socklen_t size = sizeof address;
    int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK); /* never reachable from elsewhere */
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

static void watch(int poll, int *fd)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = fd};
    if (epoll_ctl(poll, EPOLL_CTL_ADD, *fd, &event) < 0)
        die("epoll_ctl");
}

int main(int argc, char **argv)
{
    int option, poll = epoll_create1(0), listener, signalled;
    while ((option = getopt(argc, argv, "pd:")) != -1) {
        if (option == 'p')
            pipelining = false;
        else if (option == 'd')
            folder = optarg;
        else
            return 2;
    }
    if (optind != argc - 1) {
        fprintf(stderr, "usage: sink [-p] [-d FOLDER] PORT\n");
        return 2;
    }
    signalled = signals();
    listener = listen_on(atoi(argv[optind]));
    watch(poll, &listener);
    watch(poll, &signalled);
    for (;;) {
        struct epoll_event events[EVENTS];
        int count = epoll_wait(poll, events, EVENTS, -1);
        if (count < 0 && errno != EINTR)
            die("epoll_wait");
        for (int i = 0; i < count; i++) {
            void *who = events[i].data.ptr;
            if (who == &listener)
                greet_newcomers(listener, poll);
            else if (who == &signalled)
                obey_signal(signalled);
            else
                serve(who);
        }
    }
}
