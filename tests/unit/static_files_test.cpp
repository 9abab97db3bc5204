// Distributed under the Boost Software License, Version 1.0. See LICENSE.

#include <tests/support/temporary_directory.hpp>

#include <parley/static_files.hpp>

#include <boost/test/unit_test.hpp>

#include <filesystem>
#include <fstream>
#include <random>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

using namespace parley;
namespace fs = std::filesystem;

namespace {

/// A folder with a page, and what should never be served beside and around it.
struct site {
    test::temporary_directory folder;
    fs::path root = folder / "web";

    site() {
        write("index.html", "<p>home</p>");
        write("app.js", "go()");
        write("docs/index.html", "<p>docs</p>");
        write("docs/a b.txt", "spaced");
        write("../secret.txt", "secret");
    }

    void write(fs::path const& name, std::string_view text) const {
        auto const path = root / name;
        fs::create_directories(path.parent_path());
        std::ofstream(path, std::ios::binary) << text;
    }

    [[nodiscard]] static_files load() const {
        auto files = static_files::load({.root = root});
        BOOST_TEST_REQUIRE(files.has_value());
        return *files;
    }
};

std::string body(static_files const& files, std::string_view path) {
    return files.respond({}, path).body();
}

std::string field(http_response const& response, http::field name) {
    return std::string(response[name]);
}

http_response respond_if(static_files const& files, std::string_view none_match) {
    http_request request;
    request.set(http::field::if_none_match, {none_match.data(), none_match.size()});
    return files.respond(request, "/index.html");
}

} // namespace

BOOST_FIXTURE_TEST_SUITE(serving_files, site)

// ---- Paths --------------------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(a_path_names_a_file_and_a_folder_its_index) {
    auto const files = load();
    BOOST_TEST(files.size() == 4u);
    BOOST_TEST(body(files, "/") == "<p>home</p>");
    BOOST_TEST(body(files, "/index.html") == "<p>home</p>");
    BOOST_TEST(body(files, "/app.js") == "go()");
    BOOST_TEST(body(files, "/docs/") == "<p>docs</p>");
    BOOST_TEST(body(files, "/docs/a%20b.txt") == "spaced"); // as browsers ask for it
}

BOOST_AUTO_TEST_CASE(an_unknown_path_gives_the_index_so_that_a_page_may_make_up_its_own) {
    auto const files = load();
    for (auto const* path :
         {"/tables/people", "/app", "/docs", "/APP.JS", "/nothing/", "/app.js/", ""}) {
        auto const response = files.respond({}, path);
        BOOST_TEST(response.result_int() == 200u);
        BOOST_TEST(response.body() == "<p>home</p>", path);
        BOOST_TEST(field(response, http::field::content_type) == "text/html; charset=utf-8");
    }
}

BOOST_AUTO_TEST_CASE(without_an_index_an_unknown_path_is_404) {
    fs::remove(root / "index.html");
    auto const files = load();
    auto const response = files.respond({}, "/tables");
    BOOST_TEST(response.result_int() == 404u);
    BOOST_TEST(response.body() == "{\"error\":\"nothing is served here\"}\n");
    BOOST_TEST(body(files, "/app.js") == "go()");
}

BOOST_AUTO_TEST_CASE(attempts_to_leave_the_folder_are_only_ever_unknown_paths) {
    auto const files = load();
    for (std::string const& path :
         std::vector<std::string>{"/../secret.txt",
                                  "../secret.txt",
                                  "/docs/../../secret.txt",
                                  "/%2e%2e/secret.txt",
                                  "/%2e%2e%2fsecret.txt",
                                  "/..%2fsecret.txt",
                                  "/..\\secret.txt",
                                  "/%252e%252e/secret.txt",
                                  "//secret.txt",
                                  "/./../secret.txt",
                                  "/.../secret.txt",
                                  "/docs/..",
                                  "/..",
                                  "/%c0%ae%c0%ae/secret.txt",
                                  root.string() + "/../secret.txt",
                                  (folder / "secret.txt").string(),
                                  "/etc/passwd",
                                  std::string("/../secret.txt\0.html", 20),
                                  "/app.js%00.html",
                                  "/app.js%00",
                                  "/%",
                                  "/%zz",
                                  "/" + std::string(100'000, '.')})
        BOOST_TEST(body(files, path) == "<p>home</p>", path.substr(0, 80));
}

BOOST_AUTO_TEST_CASE(whatever_the_path_only_files_of_the_folder_are_given) {
    auto const files = load();
    std::mt19937 random(11);
    constexpr std::string_view pieces[] = {
        "/",      "..",         ".",         "%2e", "%2f", "secret.txt", "docs",
        "app.js", "index.html", "a%20b.txt", "%00", "\\",  "web"};
    for (int i = 0; i < 20'000; ++i) {
        std::string path = "/";
        for (auto n = random() % 8; n > 0; --n)
            path += pieces[random() % std::size(pieces)];
        auto const text = body(files, path);
        BOOST_TEST_REQUIRE(
            (text == "<p>home</p>" || text == "go()" || text == "<p>docs</p>" || text == "spaced"),
            path);
    }
}

// ---- What is served -----------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(what_a_browser_does_not_need_is_left_out) {
    write(".env", "secret");
    write(".git/config.txt", "secret");
    write("node_modules/x/index.js", "secret");
    write("docs/.hidden.html", "secret");
    write("server.key", "secret");
    write("notes", "secret");
    write("page.html.bak", "secret");
    auto const files = load();
    BOOST_TEST(files.size() == 4u);
    BOOST_TEST(body(files, "/.env") == "<p>home</p>");
    BOOST_TEST(body(files, "/.git/config.txt") == "<p>home</p>");
    BOOST_TEST(body(files, "/node_modules/x/index.js") == "<p>home</p>");
    BOOST_TEST(body(files, "/server.key") == "<p>home</p>");
}

BOOST_AUTO_TEST_CASE(what_is_no_regular_file_is_left_out) {
    fs::create_directory(root / "folder.html");
    fs::create_symlink("/nowhere/at/all", root / "broken.html");
    fs::create_symlink("/nowhere/at/all", root / "zz.html"); // also as the last
    fs::create_directory_symlink(folder.path(), root / "outside");
    auto const files = load();
    BOOST_TEST(files.size() == 4u);
    BOOST_TEST(body(files, "/outside/secret.txt") == "<p>home</p>");
}

BOOST_AUTO_TEST_CASE(each_type_has_its_name) {
    for (auto const& [name, type] : std::vector<std::tuple<std::string, std::string>>{
             {"f.html", "text/html; charset=utf-8"},
             {"f.css", "text/css; charset=utf-8"},
             {"f.js", "text/javascript; charset=utf-8"},
             {"f.mjs", "text/javascript; charset=utf-8"},
             {"f.json", "application/json"},
             {"f.js.map", "application/json"},
             {"f.svg", "image/svg+xml"},
             {"f.png", "image/png"},
             {"f.jpg", "image/jpeg"},
             {"f.webp", "image/webp"},
             {"f.ico", "image/x-icon"},
             {"f.woff2", "font/woff2"},
             {"f.webmanifest", "application/manifest+json"},
             {"f.wasm", "application/wasm"},
             {"f.txt", "text/plain; charset=utf-8"}}) {
        write(name, name);
        auto const response = load().respond({}, "/" + name);
        BOOST_TEST(response.body() == name);
        BOOST_TEST(field(response, http::field::content_type) == type);
    }
}

BOOST_AUTO_TEST_CASE(bytes_are_served_as_they_are) {
    std::string bytes;
    for (int i = 0; i < 100'000; ++i)
        bytes += static_cast<char>(i * 7);
    write("f.png", bytes);
    write("empty.css", "");
    auto const files = load();
    BOOST_TEST((body(files, "/f.png") == bytes));
    BOOST_TEST(body(files, "/empty.css") == "");
    BOOST_TEST(files.respond({}, "/empty.css").result_int() == 200u);
}

BOOST_AUTO_TEST_CASE(files_are_read_once) {
    auto const files = load();
    write("index.html", "<p>changed</p>");
    fs::remove(root / "app.js");
    auto const copy = files;
    BOOST_TEST(body(copy, "/") == "<p>home</p>");
    BOOST_TEST(body(copy, "/app.js") == "go()");
}

BOOST_AUTO_TEST_CASE(answers_tell_browsers_to_be_careful) {
    auto const response = load().respond({}, "/");
    BOOST_TEST(response["Content-Security-Policy"] == "default-src 'self'; frame-ancestors 'none'");
    BOOST_TEST(response["X-Content-Type-Options"] == "nosniff");
    BOOST_TEST(response["X-Frame-Options"] == "DENY");
    BOOST_TEST(response["Referrer-Policy"] == "no-referrer");
    BOOST_TEST(response["Cross-Origin-Opener-Policy"] == "same-origin");

    auto const own = static_files::load({.root = root, .content_security_policy = "default-src *"});
    BOOST_TEST(own->respond({}, "/")["Content-Security-Policy"] == "default-src *");
    auto const none = static_files::load({.root = root, .content_security_policy = ""});
    BOOST_TEST(none->respond({}, "/").count("Content-Security-Policy") == 0u);
}

// ---- Caches -------------------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(a_browser_that_has_the_file_is_told_so) {
    auto const files = load();
    auto const first = files.respond({}, "/index.html");
    auto const tag = field(first, http::field::etag);
    BOOST_TEST(tag.size() > 10u);
    BOOST_TEST(field(first, http::field::cache_control) == "no-cache");
    // Also among others, and weakened by a proxy that compresses (RFC 9110 §13.1.2).
    for (auto const& known : {tag, "W/" + tag, "\"other\", " + tag, tag + ",\"other\""}) {
        auto const again = respond_if(files, known);
        BOOST_TEST(again.result_int() == 304u, known);
        BOOST_TEST(again.body() == "");
        BOOST_TEST(field(again, http::field::etag) == tag);
    }
    for (auto const& known :
         {std::string(), std::string("\"other\""), tag.substr(1, tag.size() - 2), tag.substr(0, 5)})
        BOOST_TEST(respond_if(files, known).body() == "<p>home</p>", known);
}

BOOST_AUTO_TEST_CASE(a_file_that_changed_has_another_tag_and_an_equal_one_the_same) {
    auto const before = field(load().respond({}, "/"), http::field::etag);
    BOOST_TEST(field(load().respond({}, "/"), http::field::etag) == before);
    write("index.html", "<p>hom3</p>");
    BOOST_TEST(field(load().respond({}, "/"), http::field::etag) != before);
}

// ---- Errors -------------------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(a_folder_that_is_not_there_is_a_problem_that_names_it) {
    auto const files = static_files::load({.root = folder / "nothing"});
    BOOST_TEST_REQUIRE(!files.has_value());
    BOOST_TEST(files.error().text() ==
               (folder / "nothing").string() +
                   ": expected a folder that can be read, found No such file or directory");
    BOOST_TEST(!static_files::load({.root = root / "app.js"}).has_value());
    BOOST_TEST(!static_files::load({}).has_value());
}

BOOST_AUTO_TEST_CASE(more_than_is_allowed_is_a_problem_and_is_not_read_first) {
    BOOST_TEST(static_files::load({.root = root, .max_bytes = 32}).has_value());
    auto const files = static_files::load({.root = root, .max_bytes = 31});
    BOOST_TEST_REQUIRE(!files.has_value());
    BOOST_TEST(files.error().text() ==
               root.string() + ": expected files of at most 31 bytes, found more");
    // Sixty-four gigabytes of nothing: it would take the machine's memory, if it were read.
    write("huge.png", "");
    fs::resize_file(root / "huge.png", 1ULL << 36U);
    BOOST_TEST(!static_files::load({.root = root}).has_value());
    fs::remove(root / "huge.png");
    write("huge.bin", ""); // not served, so its size does not matter
    fs::resize_file(root / "huge.bin", 1ULL << 36U);
    BOOST_TEST(static_files::load({.root = root}).has_value());
}

BOOST_AUTO_TEST_SUITE_END()
