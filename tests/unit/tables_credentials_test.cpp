// Distributed under the Boost Software License, Version 1.0. See LICENSE.

#include <tests/support/memory_peer.hpp>
#include <tests/support/memory_tables.hpp>
#include <tests/support/run_task.hpp>

#include <parley/tables/credentials.hpp>
#include <parley/tables/http_api.hpp>

#include <boost/test/unit_test.hpp>

#include <malloc.h>

#include <cstddef>
#include <cstdlib>
#include <map>
#include <memory>
#include <new>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

using namespace parley;
using namespace parley::tables;

namespace {

/// The block of memory that is watched, and whether it was all zeros when it was given back.
struct watched_block {
    void const* at = nullptr;
    std::size_t size = 0;
    bool given_back = false;
    bool wiped = false;
};
thread_local watched_block watched;

/// A text that no block may have in it when it is given back, and how many had it.
thread_local std::string_view sought;
thread_local int found_in = 0;

void look_at(void* block) noexcept {
    if (block != nullptr && !sought.empty()) {
        std::string_view const all(static_cast<char const*>(block), ::malloc_usable_size(block));
        if (all.find(sought) != all.npos) ++found_in;
    }
    if (block == nullptr || block != watched.at) return;
    auto const* bytes = static_cast<unsigned char const*>(block);
    watched.wiped = true;
    for (std::size_t i = 0; i < watched.size; ++i)
        watched.wiped = watched.wiped && bytes[i] == 0;
    watched.given_back = true;
    watched.at = nullptr;
}

void watch(secret const& one) {
    watched = {one.view().data(), one.view().size(), false, false};
}

} // namespace

// What was in memory can only be seen while it is being given back.
void* operator new(std::size_t size) {
    if (void* block = std::malloc(size == 0 ? 1 : size)) return block;
    throw std::bad_alloc();
}
void* operator new(std::size_t size, std::nothrow_t const&) noexcept {
    return std::malloc(size == 0 ? 1 : size);
}
void operator delete(void* block) noexcept {
    look_at(block);
    std::free(block);
}
void operator delete(void* block, std::size_t) noexcept {
    look_at(block);
    std::free(block);
}

namespace {

/// All of the bytes that a secret had, while it is destroyed in a place of our own.
struct remains {
    alignas(secret) unsigned char object[sizeof(secret)];

    template <class... Args>
    secret* make(Args&&... args) {
        return new (object) secret(std::forward<Args>(args)...);
    }
    [[nodiscard]] bool contain(std::string_view text) const {
        return std::string_view(reinterpret_cast<char const*>(object), sizeof object).find(text) !=
               std::string_view::npos;
    }
};

/// As much of a server as the routes need.
struct routes_only : test::memory_world {
    struct policies_type {
        memory_transport& transport;
        login_verifier<test::memory_backend> verifier;
    };

    test::memory_backend backend;
    policies_type shared{transport, {}};
    std::map<std::string, route_handler> posts;

    routes_only() { http_api<test::memory_backend>::add_to(*this, backend, {.csrf = false}); }

    void route(http::verb method, std::string path, route_handler handler) {
        if (method == http::verb::post) posts.emplace(std::move(path), std::move(handler));
    }
    policies_type& policies() { return shared; }
    static std::size_t connections() { return 0; }
};

} // namespace

BOOST_AUTO_TEST_SUITE(tables_credentials)

BOOST_AUTO_TEST_CASE(a_secret_is_what_was_put_in) {
    BOOST_TEST(secret().view() == "");
    BOOST_TEST(secret("").view() == "");
    for (std::size_t size : {1, 15, 16, 63, 64, 65, 10'000}) {
        std::string const text(size, 's');
        BOOST_TEST(secret(text).view() == text);
    }
    std::string const with_nul("a\0b", 3);
    BOOST_TEST(secret(with_nul).view() == with_nul);
}

BOOST_AUTO_TEST_CASE(a_copy_is_another_secret_and_a_move_leaves_nothing_behind) {
    secret one("lovelace");
    secret copy = one;
    BOOST_TEST(copy.view() == "lovelace");
    BOOST_TEST(static_cast<void const*>(copy.view().data()) !=
               static_cast<void const*>(one.view().data()));

    auto const* const at = one.view().data();
    secret moved = std::move(one);
    BOOST_TEST(moved.view() == "lovelace");
    BOOST_TEST(static_cast<void const*>(moved.view().data()) == static_cast<void const*>(at));
    BOOST_TEST(one.view() == ""); // NOLINT(bugprone-use-after-move): what is promised

    copy = secret("hopper");
    BOOST_TEST(copy.view() == "hopper");
    copy = moved;
    BOOST_TEST(copy.view() == "lovelace");
    auto& same = copy;
    copy = same;
    BOOST_TEST(copy.view() == "lovelace");
}

BOOST_AUTO_TEST_CASE(even_a_short_secret_is_never_inside_the_object_itself) {
    // Where it is inside, every move leaves a copy.
    remains place, other;
    auto* const one = place.make("pw");
    BOOST_TEST(!place.contain("pw"));
    auto* const two = other.make(std::move(*one));
    BOOST_TEST(!other.contain("pw"));
    BOOST_TEST(!place.contain("pw"));
    one->~secret();
    two->~secret();
}

BOOST_AUTO_TEST_CASE(no_memory_that_is_given_back_has_the_password_of_a_request_in_it) {
    constexpr std::string_view password = "correct horse battery staple";
    std::string const address = "192.0.2.1";
    for (auto const* end : {"\"}", "\",\"useHTTPS\":1}", "\"", "", "\\n\"}"}) {
        for (std::size_t const size : {10, 10'000}) {
            routes_only server;
            auto request = std::make_unique<http_request>(http::verb::post, "/api/connect", 11);
            request->body() = R"({"port":1,"namespace":"n","username":"ada","host":")" +
                              std::string(size, 'h') + R"(","password":")" + std::string(password) +
                              end;
            found_in = 0;
            sought = password;
            auto answer = server.posts.at("/api/connect")(*request, route_context{address});
            auto const status = test::run(server.io, std::move(answer)).result_int();
            request.reset();
            server.backend.world->last_user = {};
            sought = {};
            BOOST_TEST(status >= 400u); // it is not ada's
            BOOST_TEST(found_in == 0, size << ' ' << end);
        }
    }
}

BOOST_AUTO_TEST_CASE(a_secret_is_wiped_when_it_goes) {
    for (std::string const& text :
         {std::string("pw"), std::string(64, 's'), std::string(10'000, 's')}) {
        {
            secret const one(text);
            watch(one);
        }
        BOOST_TEST(watched.given_back);
        BOOST_TEST(watched.wiped);

        secret replaced(text);
        watch(replaced);
        replaced = secret("another");
        BOOST_TEST(watched.given_back);
        BOOST_TEST(watched.wiped);

        auto whole = std::make_unique<credentials>();
        whole->password = secret(text);
        watch(whole->password);
        credentials last = std::move(*whole);
        whole.reset();
        BOOST_TEST(!watched.given_back);
        last = credentials();
        BOOST_TEST(watched.given_back);
        BOOST_TEST(watched.wiped);
    }
}

BOOST_AUTO_TEST_CASE(what_was_not_wiped_would_be_seen) {
    {
        std::vector<char> const text(100, 's');
        watched = {text.data(), text.size(), false, false};
    }
    BOOST_TEST(watched.given_back);
    BOOST_TEST(!watched.wiped);
}

BOOST_AUTO_TEST_CASE(moving_many_about_neither_throws_nor_copies) {
    static_assert(std::is_nothrow_move_constructible_v<secret>);
    static_assert(std::is_nothrow_move_constructible_v<credentials>);
    std::vector<credentials> all(1);
    all[0].password = secret("lovelace");
    auto const* const at = all[0].password.view().data();
    for (int i = 0; i < 100; ++i)
        all.emplace_back(); // moves them
    BOOST_TEST(static_cast<void const*>(all[0].password.view().data()) ==
               static_cast<void const*>(at));
}

BOOST_AUTO_TEST_SUITE_END()
