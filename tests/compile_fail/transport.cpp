// Distributed under the Boost Software License, Version 1.0. See LICENSE.
// expect: compiles
// expect LACKS_STREAM_TYPE: policy_lacks_operation<pigeon_post, .*stream_type>
// expect LACKS_STREAM_SHUTDOWN: policy_lacks_operation<pigeon_post, .*stream_type>
// expect LACKS_TIMER_TYPE: policy_lacks_operation<pigeon_post, .*timer_type>
// expect LACKS_MAKE_TIMER: policy_lacks_operation<pigeon_post, .*timer_type>
// expect LACKS_LISTEN: policy_lacks_operation<pigeon_post, .*listen>
// expect LACKS_NOW: policy_lacks_operation<pigeon_post, .*now>
// expect LACKS_WALL_TIME: policy_lacks_operation<pigeon_post, .*wall_time>

#include <parley/policy_set.hpp>

struct pigeon {
    parley::executor get_executor();
    parley::task<parley::error_code> handshake();
#ifndef LACKS_STREAM_SHUTDOWN
    parley::task<> shutdown();
#endif
    std::string peer_address() const;
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
