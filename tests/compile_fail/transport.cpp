// Distributed under the Boost Software License, Version 1.0. See LICENSE.
// expect: compiles
// expect LACKS_STREAM_TYPE: policy_lacks_operation<pigeon_post, .*stream_type>
// expect LACKS_STREAM_SHUTDOWN: policy_lacks_operation<pigeon_post, .*stream_type>
// expect LACKS_STREAM_LINGER: policy_lacks_operation<pigeon_post, .*stream_type>
// expect LACKS_READ: policy_lacks_operation<pigeon_post, .*async_read_some>
// expect READS_WITHOUT_COUNT: policy_lacks_operation<pigeon_post, .*async_read_some>
// expect LACKS_WRITE: policy_lacks_operation<pigeon_post, .*async_write_some>
// expect LACKS_AVAILABLE: policy_lacks_operation<pigeon_post, .*available>
// expect LACKS_TIMER_TYPE: policy_lacks_operation<pigeon_post, .*timer_type>
// expect LACKS_MAKE_TIMER: policy_lacks_operation<pigeon_post, .*timer_type>
// expect LACKS_LISTEN: policy_lacks_operation<pigeon_post, .*listen>
// expect LACKS_NOW: policy_lacks_operation<pigeon_post, .*now>
// expect LACKS_WALL_TIME: policy_lacks_operation<pigeon_post, .*wall_time>

#include <parley/policy_set.hpp>

#ifdef READS_WITHOUT_COUNT
using read_result = parley::task<>;
#else
using read_result = parley::task<std::size_t>;
#endif

struct pigeon {
#ifndef LACKS_READ
    template <class Buffers, class Token>
    read_result async_read_some(Buffers const&, Token&&);
#endif
#ifndef LACKS_WRITE
    template <class Buffers, class Token>
    parley::task<std::size_t> async_write_some(Buffers const&, Token&&);
#endif
    parley::executor get_executor();
    parley::task<parley::error_code> handshake();
#ifndef LACKS_STREAM_SHUTDOWN
    parley::task<> shutdown();
#endif
    std::string peer_address() const;
#ifndef LACKS_STREAM_LINGER
    parley::task<> linger();
#endif
#ifndef LACKS_AVAILABLE
    std::size_t available();
#endif
    void close();
};

struct pigeon_post {
    using policy_kind = parley::policy_kinds::transport;
#ifndef LACKS_STREAM_TYPE
    using stream_type = pigeon;
#endif
#ifndef LACKS_TIMER_TYPE
    using timer_type = parley::steady_timer;
#endif
    using listener_type = parley::tcp_listener;
    struct endpoint_type {};
#ifndef LACKS_MAKE_TIMER
    parley::steady_timer make_timer(parley::executor);
#endif
#ifndef LACKS_LISTEN
    parley::result<listener_type> listen(parley::executor, endpoint_type const&);
#endif
#ifndef LACKS_NOW
    parley::time_point now() const;
#endif
#ifndef LACKS_WALL_TIME
    std::chrono::system_clock::time_point wall_time() const;
#endif
};

template struct parley::policy_set<pigeon_post>;
