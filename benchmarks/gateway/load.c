/* Requests to an OpenAI-compatible server on loopback, and what became of them, as JSON.
 *
 *   load --port P [--key K] [--connections N] [--seconds S] [--requests N] [--per-second R]
 *        [--tokens N] [--pace N] [--read-rate B] [--body B] [--grace S]
 *
 * Without --per-second each connection sends its next request when an answer has come (closed
 * loop). With it, requests are due at a constant rate whatever the answers do (open loop), and
 * their times count from when they were due, so that a stall isn't hidden by waiting for it.
 * --tokens asks for a streamed answer of so many contents, --pace for so many of them a second.
 * --read-rate reads so many bytes a second, as a client on a bad line does.
 * No request is started after S seconds or N requests; what is open is waited for during the grace.
 *
 * The delay of an event is from the time that mock_upstream.c wrote in it to its reading here: both
 * read the same monotonic clock. Times are in microseconds. One thread, one epoll loop.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

enum { HEAD_MAX = 16384, READ_MAX = 65536, BATCH = 256, SLOW_TICKS = 10, ERRORS_MAX = 1000 };

typedef enum { HEAD, LENGTH, CHUNK_SIZE, CHUNK_DATA, CHUNK_END, TRAILER, UNTIL_CLOSE } part;

typedef struct {
    int socket, busy, keep; /* socket: -1 when closed */
    long began, first, last; /* when the request was due, first content, latest content; ns */
    long events;
    int status, number_open; /* number_open: inside "@digits;" */
    long number;
    part part;
    long left; /* bytes of the body or of the chunk still to come */
    int head_size, line_size, in_number; /* of the chunked coding: bytes in this line */
    char head[HEAD_MAX];
} connection;

typedef struct { float *values; size_t count, room; } samples;

static int port = 8000, connections = 1, epoll;
static double seconds = 1e9, per_second, grace = 3;
static long most = 1L << 60, tokens, pace, read_rate, body_size = 1024;
static const char *key = "bench";
static char *request;
static size_t request_size;
static connection *all;
static samples latency, first_token, delay;
static long started, finished, errors, short_streams, events, bytes, widest_gap, begin_ns, busy;
static int first_error;

static void check(int result, const char *what) {
    if (result < 0) { perror(what); exit(1); }
}

static long now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000L + t.tv_nsec;
}

static void add(samples *s, long ns) {
    if (s->count == s->room) {
        s->room = s->room ? 2 * s->room : 4096;
        s->values = realloc(s->values, s->room * sizeof *s->values);
        if (!s->values) exit(1);
    }
    s->values[s->count++] = ns / 1000.0f;
}

static void build_request(void) {
    char *text = malloc(body_size + 512), *head = malloc(body_size + 1024);
    int size = sprintf(text, "{\"model\":\"bench\",\"messages\":[{\"role\":\"user\",\"content\":"
                       "\"rate=%ld ", pace);
    char end[256];
    int end_size = tokens ? sprintf(end, "\"}],\"max_tokens\":%ld,\"stream\":true,"
                                    "\"stream_options\":{\"include_usage\":true}}", tokens)
                          : sprintf(end, "\"}],\"max_tokens\":64}");
    for (int i = 0; size + end_size < body_size; i++) text[size++] = "un mot "[i % 7];
    memcpy(text + size, end, end_size + 1);
    request_size = sprintf(head, "POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1:%d\r\n"
                           "authorization: Bearer %s\r\ncontent-type: application/json\r\n"
                           "accept: */*\r\ncontent-length: %d\r\n\r\n%s",
                           port, key, size + end_size, text);
    request = head;
    free(text);
}

static void hang_up(connection *c) {
    if (c->socket >= 0) close(c->socket);
    c->socket = -1;
}

static void end_request(connection *c, int ok) {
    if (!c->busy) return;
    c->busy = 0;
    busy--;
    finished++;
    if (!ok) {
        errors++;
        if (!first_error) first_error = c->status;
    } else add(&latency, now_ns() - c->began);
    if (tokens && c->events != tokens) short_streams++;
    if (!ok || !c->keep) hang_up(c);
}

static int open_socket(void) {
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int on = 1, small = 4096, opened = socket(AF_INET, SOCK_STREAM, 0);
    check(opened, "socket");
    if (read_rate) setsockopt(opened, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    setsockopt(opened, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (connect(opened, (struct sockaddr *)&to, sizeof to) < 0) { close(opened); return -1; }
    check(fcntl(opened, F_SETFL, O_NONBLOCK), "fcntl");
    return opened;
}

static void start_request(connection *c, long due) {
    c->began = due;
    c->busy = 1;
    c->keep = 1;
    busy++;
    started++;
    c->first = c->last = c->events = c->status = c->number_open = c->head_size = 0;
    c->part = HEAD;
    if (c->socket < 0) {
        if ((c->socket = open_socket()) < 0) { end_request(c, 0); return; }
        struct epoll_event event = {read_rate ? 0 : EPOLLIN, {.ptr = c}};
        check(epoll_ctl(epoll, EPOLL_CTL_ADD, c->socket, &event), "epoll_ctl");
    }
    if (send(c->socket, request, request_size, MSG_NOSIGNAL) != (ssize_t)request_size)
        end_request(c, 0);
}

/* Find the times in the body, wherever reads have cut it. */
static void scan(connection *c, const char *data, long size, long now) {
    for (const char *at = data, *end = data + size; at < end;) {
        if (!c->number_open) {
            at = memchr(at, '@', end - at);
            if (!at) return;
            at++;
            c->number_open = 1;
            c->number = 0;
        }
        while (at < end && isdigit((unsigned char)*at)) c->number = 10 * c->number + *at++ - '0';
        if (at == end) return;
        c->number_open = 0;
        if (*at != ';') continue;
        if (!c->first) add(&first_token, (c->first = now) - c->began);
        else if (now - c->last > widest_gap) widest_gap = now - c->last;
        c->last = now;
        c->events++;
        events++;
        add(&delay, now - c->number);
    }
}

static int read_head(connection *c) {
    char *length = strcasestr(c->head, "\r\ncontent-length:");
    char *coding = strcasestr(c->head, "\r\ntransfer-encoding: chunked");
    if (strncmp(c->head, "HTTP/1.", 7)) return 0;
    c->status = atoi(c->head + 9);
    if (c->head[7] == '0' || strcasestr(c->head, "\r\nconnection: close")) c->keep = 0;
    c->line_size = 0;
    c->in_number = 1;
    c->left = length ? atol(length + 17) : 0;
    c->part = coding ? CHUNK_SIZE : length ? LENGTH : UNTIL_CLOSE;
    if (c->status != 200 && errors < 3) fprintf(stderr, "load: HTTP %d\n", c->status);
    return 1;
}

/* A byte of the line that holds a chunk's size in hexadecimal, extensions after it; is it the end. */
static int size_ended(connection *c, char byte) {
    if (byte == '\n') return 1;
    if (!isxdigit((unsigned char)byte)) c->in_number = 0;
    if (c->in_number)
        c->left = 16 * c->left + (isdigit((unsigned char)byte) ? byte - '0' : (byte | 32) - 'a' + 10);
    return 0;
}

/* Take what was received; the request may end in it. */
static void take(connection *c, const char *data, long size, long now) {
    while (size > 0 && c->busy) {
        if (c->part == HEAD) {
            if (c->head_size == HEAD_MAX - 1) { end_request(c, 0); return; }
            c->head[c->head_size++] = *data++;
            c->head[c->head_size] = 0;
            size--;
            if (c->head_size < 4 || memcmp(c->head + c->head_size - 4, "\r\n\r\n", 4)) continue;
            if (!read_head(c)) { end_request(c, 0); return; }
            if (c->part == LENGTH && !c->left) end_request(c, c->status == 200);
        } else if (c->part == CHUNK_SIZE) {
            size--;
            if (size_ended(c, *data++)) c->part = c->left ? CHUNK_DATA : TRAILER;
        } else if (c->part == CHUNK_END || c->part == TRAILER) {
            int ended = *data == '\n', empty = c->line_size == 0;
            if (*data != '\r' && *data != '\n') c->line_size++;
            data++;
            size--;
            if (!ended) continue;
            if (c->part == TRAILER && empty) { end_request(c, c->status == 200); return; }
            if (c->part == CHUNK_END) c->part = CHUNK_SIZE;
            c->line_size = 0;
            c->in_number = 1;
        } else {
            long part = c->part == UNTIL_CLOSE || size < c->left ? size : c->left;
            if (tokens) scan(c, data, part, now);
            data += part;
            size -= part;
            if (c->part == UNTIL_CLOSE) continue;
            c->left -= part;
            if (c->left) continue;
            if (c->part == CHUNK_DATA) c->part = CHUNK_END;
            else end_request(c, c->status == 200);
        }
    }
}

static void receive(connection *c, long most_bytes) {
    static char data[READ_MAX];
    if (c->socket < 0) return;
    ssize_t n = recv(c->socket, data, most_bytes, 0);
    if (n < 0 && errno == EAGAIN) return;
    if (n <= 0) {
        c->keep = 0;
        if (c->busy) end_request(c, n == 0 && c->part == UNTIL_CLOSE && c->status == 200);
        hang_up(c);
        return;
    }
    bytes += n;
    take(c, data, n, now_ns());
}

static int may_start(long now) {
    return started < most && now < begin_ns + seconds * 1e9 && errors < ERRORS_MAX;
}

/* Start what is due, on connections that wait for nothing. */
static void start_due(void) {
    for (int i = 0; i < connections; i++) {
        long now = now_ns(), due = now;
        if (all[i].busy) continue;
        if (!may_start(now)) return;
        if (per_second) {
            due = begin_ns + started * (1e9 / per_second);
            if (due > now) return;
        }
        start_request(&all[i], due);
    }
}

static int ascending(const void *a, const void *b) {
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

static void print_samples(const char *name, samples *s) {
    if (!s->count) { printf(",\"%s\":null", name); return; }
    qsort(s->values, s->count, sizeof *s->values, ascending);
    printf(",\"%s\":{\"count\":%zu,\"p50\":%.1f,\"p90\":%.1f,\"p99\":%.1f,\"max\":%.1f}", name,
           s->count, s->values[s->count / 2], s->values[s->count * 9 / 10],
           s->values[s->count * 99 / 100], s->values[s->count - 1]);
}

static void print_result(long ended) {
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    double processor = used.ru_utime.tv_sec + used.ru_stime.tv_sec
        + (used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
    long unfinished = 0;
    for (int i = 0; i < connections; i++) {
        if (!all[i].busy) continue;
        unfinished++;
        add(&latency, ended - all[i].began); /* at least so long */
        if (tokens && all[i].events != tokens) short_streams++;
    }
    if (per_second && seconds < 1e9) { /* due, and no connection was free to send them */
        long all_due = seconds * per_second;
        for (; started < all_due && started < most; started++, unfinished++)
            add(&latency, ended - begin_ns - (long)(started * (1e9 / per_second)));
    }
    printf("{\"seconds\":%.4f,\"requests\":%ld,\"errors\":%ld,\"first_error\":%d,"
           "\"unfinished\":%ld,\"short_streams\":%ld,\"events\":%ld,\"bytes\":%ld,"
           "\"widest_gap_us\":%.1f,\"processor_s\":%.4f",
           (ended - begin_ns) / 1e9, finished - errors, errors, first_error, unfinished,
           short_streams, events, bytes, widest_gap / 1e3, processor);
    print_samples("latency_us", &latency);
    print_samples("ttft_us", &first_token);
    print_samples("delay_us", &delay);
    puts("}");
}

static void read_options(int count, char **arguments) {
    static const struct option names[] = {
        {"port", 1, 0, 'p'}, {"key", 1, 0, 'k'}, {"connections", 1, 0, 'c'},
        {"seconds", 1, 0, 's'}, {"requests", 1, 0, 'n'}, {"per-second", 1, 0, 'r'},
        {"tokens", 1, 0, 't'}, {"pace", 1, 0, 'e'}, {"read-rate", 1, 0, 'b'},
        {"body", 1, 0, 'o'}, {"grace", 1, 0, 'g'}, {0, 0, 0, 0}};
    for (int name; (name = getopt_long(count, arguments, "", names, NULL)) != -1;) switch (name) {
        case 'p': port = atoi(optarg); break;
        case 'k': key = optarg; break;
        case 'c': connections = atoi(optarg); break;
        case 's': seconds = atof(optarg); break;
        case 'n': most = atol(optarg); break;
        case 'r': per_second = atof(optarg); break;
        case 't': tokens = atol(optarg); break;
        case 'e': pace = atol(optarg); break;
        case 'b': read_rate = atol(optarg); break;
        case 'o': body_size = atol(optarg); break;
        case 'g': grace = atof(optarg); break;
        default: exit(2);
    }
}

/* A timer that rings `rate` times a second in the epoll loop, told by an event without pointer. */
static int ring(double rate) {
    long ns = 1e9 / rate;
    struct timespec period = {ns / 1000000000L, ns % 1000000000L};
    struct itimerspec every = {period, period};
    struct epoll_event event = {EPOLLIN, {.ptr = NULL}};
    int timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
    check(timer, "timerfd");
    check(timerfd_settime(timer, 0, &every, NULL), "timerfd_settime");
    check(epoll_ctl(epoll, EPOLL_CTL_ADD, timer, &event), "epoll_ctl");
    return timer;
}

int main(int count, char **arguments) {
    read_options(count, arguments);
    build_request();
    check(epoll = epoll_create1(0), "epoll");
    all = calloc(connections, sizeof *all);
    if (!all) return 1;
    for (int i = 0; i < connections; i++) all[i].socket = -1;
    begin_ns = now_ns();
    int timer = read_rate ? ring(SLOW_TICKS) : per_second ? ring(per_second) : -1;
    struct epoll_event ready[BATCH];
    start_due();
    for (long now = now_ns(); (busy || may_start(now))
         && now < begin_ns + (seconds + grace) * 1e9; now = now_ns()) {
        int many = epoll_wait(epoll, ready, BATCH, 100);
        for (int i = 0; i < many; i++) {
            unsigned long rings;
            connection *c = ready[i].data.ptr;
            if (c) {
                receive(c, READ_MAX);
                if (!per_second && !c->busy && may_start(now)) start_request(c, now_ns());
            } else if (read(timer, &rings, sizeof rings) == sizeof rings && read_rate)
                for (int k = 0; k < connections; k++) receive(&all[k], read_rate / SLOW_TICKS);
        }
        if (per_second || busy < connections) start_due();
    }
    print_result(now_ns());
    return 0;
}
