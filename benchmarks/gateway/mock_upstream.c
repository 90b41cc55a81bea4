/* An OpenAI-compatible inference server that costs next to nothing, for benchmarks.
 *
 *   mock_upstream PORT
 *
 * POST /v1/chat/completions  a fixed JSON answer; or, with "stream": true, server-sent events: the
 *                            role, "max_tokens" pieces of content, the end, the usage, [DONE].
 * GET  /v1/models /health /metrics   what gateways probe.
 * GET  /stats                what was done here: requests, streams open and cut, bytes sent.
 *
 * The words rate=N anywhere in a request's body pace its events to N a second (0: as fast as the
 * client reads). They stand in the prompt, since some gateways drop fields that they don't know.
 * Each content is "@NANOSECONDS;", the monotonic time at which the event was due to leave, from
 * which the load tool computes how long it was under way. One thread, one epoll loop.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

enum { INPUT = 65536, OUTPUT = 65536, EVENT_MAX = 512, BATCH = 256 };

typedef struct connection {
    int socket, timer;         /* timer: -1 unless a paced stream is open */
    size_t in, out, sent;      /* bytes held in `input`; in `output`; of these, already sent */
    long left;                 /* contents still to send; -1: no stream is open */
    long tokens;
    int dead;
    struct handle { struct connection *connection; int is_timer; } on_socket, on_timer;
    char input[INPUT], output[OUTPUT];
} connection;

static int epoll;
static struct { long requests, streams_open, streams_done, streams_cut, bytes_sent; } stats;

static const char ANSWER[] =
    "{\"id\":\"chatcmpl-bench\",\"object\":\"chat.completion\",\"created\":1,\"model\":\"bench\","
    "\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"La demande se fait "
    "en mairie, avec une pi\\u00e8ce d'identit\\u00e9 et un justificatif de domicile de moins de "
    "trois mois. Le d\\u00e9lai est d'environ trois semaines.\"},\"logprobs\":null,"
    "\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":250,\"completion_tokens\":40,"
    "\"total_tokens\":290}}";
static const char MODELS[] =
    "{\"object\":\"list\",\"data\":[{\"id\":\"bench\",\"object\":\"model\",\"created\":1,"
    "\"owned_by\":\"bench\",\"max_model_len\":8192}]}";
static const char METRICS[] =
    "# TYPE vllm:num_requests_running gauge\nvllm:num_requests_running{model_name=\"bench\"} 1.0\n"
    "# TYPE vllm:num_requests_waiting gauge\nvllm:num_requests_waiting{model_name=\"bench\"} 0.0\n"
    "# TYPE vllm:kv_cache_usage_perc gauge\nvllm:kv_cache_usage_perc{model_name=\"bench\"} 0.1\n";
static const char STREAM_HEAD[] =
    "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\n"
    "cache-control: no-cache\r\ntransfer-encoding: chunked\r\n\r\n";
#define CHUNK "{\"id\":\"chatcmpl-bench\",\"object\":\"chat.completion.chunk\",\"created\":1," \
              "\"model\":\"bench\",\"choices\":"

static void check(int result, const char *what) {
    if (result < 0) { perror(what); exit(1); }
}

static long now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000L + t.tv_nsec;
}

static void end_stream(connection *c, long *counter) {
    if (c->timer >= 0) close(c->timer);
    c->timer = -1;
    c->left = -1;
    stats.streams_open--;
    ++*counter;
}

/* Freed only after the batch of events: another of them may still point here. */
static void close_connection(connection *c) {
    if (c->dead) return;
    if (c->left >= 0) end_stream(c, &stats.streams_cut);
    close(c->socket);
    c->dead = 1;
}

/* Send what is held; wait for room when the client's is full. */
static void flush(connection *c) {
    while (c->sent < c->out) {
        ssize_t n = send(c->socket, c->output + c->sent, c->out - c->sent, MSG_NOSIGNAL);
        if (n < 0) {
            if (errno != EAGAIN) close_connection(c);
            return; /* edge-triggered: EPOLLOUT will say when there is room */
        }
        c->sent += n;
        stats.bytes_sent += n;
    }
    c->out = c->sent = 0;
}

static void put(connection *c, const char *data, size_t size) {
    if (c->out + size > OUTPUT) {
        memmove(c->output, c->output + c->sent, c->out - c->sent);
        c->out -= c->sent;
        c->sent = 0;
    }
    if (c->out + size > OUTPUT) { close_connection(c); return; }
    memcpy(c->output + c->out, data, size);
    c->out += size;
}

static int has_room(const connection *c) {
    return OUTPUT - (c->out - c->sent) > 4 * EVENT_MAX;
}

static void answer(connection *c, const char *type, const char *body) {
    char text[2048];
    int size = snprintf(text, sizeof text, "HTTP/1.1 200 OK\r\ncontent-type: %s\r\n"
                        "content-length: %zu\r\n\r\n%s", type, strlen(body), body);
    put(c, text, size);
}

static void refuse(connection *c, const char *status) {
    char text[256];
    put(c, text, snprintf(text, sizeof text, "HTTP/1.1 %s\r\ncontent-length: 0\r\n\r\n", status));
}

static void put_event(connection *c, const char *json, size_t size) {
    char text[EVENT_MAX];
    put(c, text, snprintf(text, sizeof text, "%zx\r\ndata: %.*s\n\n\r\n", size + 8, (int)size,
                          json));
}

static void put_content(connection *c, long due) {
    char json[EVENT_MAX];
    put_event(c, json, snprintf(json, sizeof json, CHUNK "[{\"index\":0,\"delta\":{\"content\":"
                                "\"@%ld;\"},\"logprobs\":null,\"finish_reason\":null}]}", due));
    c->left--;
}

static void put_end(connection *c) {
    char json[EVENT_MAX];
    static const char stop[] = CHUNK "[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}";
    put_event(c, stop, sizeof stop - 1);
    put_event(c, json, snprintf(json, sizeof json, CHUNK "[],\"usage\":{\"prompt_tokens\":250,"
                                "\"completion_tokens\":%ld,\"total_tokens\":%ld}}", c->tokens,
                                250 + c->tokens));
    put_event(c, "[DONE]", 6);
    put(c, "0\r\n\r\n", 5);
    end_stream(c, &stats.streams_done);
}

/* A stream without pace: as much as the client takes, a buffer at a time. */
static void fill(connection *c) {
    while (!c->dead && c->left >= 0 && c->timer < 0 && has_room(c)) {
        if (c->left == 0) put_end(c);
        else put_content(c, now_ns());
        if (!has_room(c) || c->left < 0) flush(c);
    }
}

static void start_stream(connection *c, long tokens, long rate) {
    static const char role[] =
        CHUNK "[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"}}]}";
    c->left = c->tokens = tokens;
    stats.streams_open++;
    put(c, STREAM_HEAD, sizeof STREAM_HEAD - 1);
    put_event(c, role, sizeof role - 1);
    if (rate <= 0) { fill(c); return; }
    if (c->left > 0) put_content(c, now_ns());
    struct timespec period = {1 / rate, 1000000000L / rate % 1000000000L};
    struct itimerspec every = {period, period};
    struct epoll_event event = {EPOLLIN, {.ptr = &c->on_timer}};
    check(c->timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK), "timerfd");
    check(timerfd_settime(c->timer, 0, &every, NULL), "timerfd_settime");
    check(epoll_ctl(epoll, EPOLL_CTL_ADD, c->timer, &event), "epoll_ctl");
}

static void tick(connection *c) {
    unsigned long due = 0;
    if (c->timer < 0 || read(c->timer, &due, sizeof due) != sizeof due) return;
    while (due-- && c->left > 0 && has_room(c)) put_content(c, now_ns());
    if (c->left == 0) put_end(c);
    flush(c);
}

/* The number after `name` in the body, `missing` without it. */
static long number_after(const char *body, size_t size, const char *name, long missing) {
    const char *found = memmem(body, size, name, strlen(name));
    return found ? strtol(found + strlen(name) + strspn(found + strlen(name), " :"), NULL, 10)
                 : missing;
}

static void handle(connection *c, const char *head, const char *body, size_t size) {
    if (!strncmp(head, "GET /v1/models ", 15)) answer(c, "application/json", MODELS);
    else if (!strncmp(head, "GET /metrics ", 13)) answer(c, "text/plain; version=0.0.4", METRICS);
    else if (!strncmp(head, "GET /stats ", 11)) {
        char json[256];
        snprintf(json, sizeof json, "{\"requests\":%ld,\"streams_open\":%ld,\"streams_done\":%ld,"
                 "\"streams_cut\":%ld,\"bytes_sent\":%ld}", stats.requests, stats.streams_open,
                 stats.streams_done, stats.streams_cut, stats.bytes_sent);
        answer(c, "application/json", json);
    } else if (!strncmp(head, "GET ", 4)) answer(c, "application/json", "{\"status\":\"ok\"}");
    else if (strncmp(head, "POST /v1/chat/completions ", 26)) refuse(c, "404 Not Found");
    else {
        stats.requests++;
        const char *stream = memmem(body, size, "\"stream\"", 8);
        if (stream && stream[8 + strspn(stream + 8, " :")] == 't')
            start_stream(c, number_after(body, size, "\"max_tokens\"", 16),
                         number_after(body, size, "rate=", 0));
        else answer(c, "application/json", ANSWER);
    }
}

/* Take whole requests from the input, one after another, but none while a stream is open. */
static void take_requests(connection *c) {
    while (!c->dead && c->left < 0) {
        c->input[c->in] = 0;
        char *end = strstr(c->input, "\r\n\r\n");
        if (!end) {
            if (c->in == INPUT - 1) close_connection(c);
            return;
        }
        char *body = end + 4, *field = strcasestr(c->input, "\r\ncontent-length:");
        size_t size = field && field < end ? strtoul(field + 17, NULL, 10) : 0;
        size_t whole = body - c->input + size;
        if (whole >= INPUT) { close_connection(c); return; }
        if (c->in < whole) return;
        handle(c, c->input, body, size);
        if (c->dead) return;
        c->in -= whole;
        memmove(c->input, c->input + whole, c->in);
        flush(c);
    }
}

static void receive(connection *c) {
    for (size_t room = INPUT - 1 - c->in; !c->dead; room = INPUT - 1 - c->in) {
        if (!room) { close_connection(c); return; }
        ssize_t n = recv(c->socket, c->input + c->in, room, 0);
        if (n < 0 && errno == EAGAIN) return;
        if (n <= 0) { close_connection(c); return; }
        c->in += n;
        take_requests(c);
        if ((size_t)n < room) return; /* what comes later raises a new edge */
    }
}

static void accept_all(int listening) {
    int socket, on = 1;
    while ((socket = accept4(listening, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
        connection *c = malloc(sizeof *c);
        if (!c) exit(1);
        c->socket = socket;
        c->timer = -1;
        c->in = c->out = c->sent = c->dead = 0;
        c->left = -1;
        c->on_socket = (struct handle){c, 0};
        c->on_timer = (struct handle){c, 1};
        setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        struct epoll_event event = {EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
                                    {.ptr = &c->on_socket}};
        check(epoll_ctl(epoll, EPOLL_CTL_ADD, socket, &event), "epoll_ctl");
    }
}

int main(int count, char **arguments) {
    if (count != 2) { fprintf(stderr, "usage: mock_upstream PORT\n"); return 2; }
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(atoi(arguments[1])),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int on = 1, listening = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    check(listening, "socket");
    signal(SIGPIPE, SIG_IGN);
    setsockopt(listening, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    check(bind(listening, (struct sockaddr *)&address, sizeof address), "bind");
    check(listen(listening, 4096), "listen");
    check(epoll = epoll_create1(0), "epoll");
    struct epoll_event first = {EPOLLIN, {.ptr = NULL}}, events[BATCH];
    check(epoll_ctl(epoll, EPOLL_CTL_ADD, listening, &first), "epoll_ctl");
    puts("ready");
    fflush(stdout);
    for (;;) {
        int ready = epoll_wait(epoll, events, BATCH, -1);
        connection *dead[BATCH];
        int dying = 0;
        for (int i = 0; i < ready; i++) {
            struct handle *which = events[i].data.ptr;
            if (!which) { accept_all(listening); continue; }
            connection *c = which->connection;
            if (c->dead) continue;
            if (which->is_timer) tick(c);
            else {
                if (events[i].events & (EPOLLERR | EPOLLHUP | EPOLLRDHUP)) close_connection(c);
                if (!c->dead && events[i].events & EPOLLIN) receive(c);
                if (!c->dead && events[i].events & EPOLLOUT) { flush(c); fill(c); }
            }
            if (!c->dead && c->left < 0 && c->in) take_requests(c);
            if (c->dead) dead[dying++] = c;
        }
        while (dying) free(dead[--dying]);
    }
}
