// Distributed under the Boost Software License, Version 1.0. See LICENSE.

// What the parts of a handshake cost by themselves, each beside the one operation in it that cannot
// be avoided, so that the ratio of the two says what there is to gain.

#include <parley/admission/queueing_admission.hpp>
#include <parley/audit/audit_chain.hpp>
#include <parley/canonical_json.hpp>
#include <parley/consent/audit_records.hpp>
#include <parley/consent/client_messages.hpp>
#include <parley/consent/token.hpp>
#include <parley/message.hpp>
#include <parley/verifier/ed25519_verifier.hpp>

#include <benchmark/benchmark.h>
#include <boost/json/parse.hpp>
#include <cryptopp/sha.h>

#include <chrono>
#include <string>
#include <vector>

namespace {

using namespace parley;

consent::token_claims const claims{"patient-001", "1245319599", {"office_visit", "lab_results"},
                                   {1767225600},  {4102444800}, {}};

consent::handshake_auth signed_auth() {
    return consent::make_auth(ed25519_key::generate(), claims, "https://patient.example/agent");
}

void ed25519_verify(benchmark::State& state) {
    auto const key = ed25519_key::generate();
    std::string const text = json::encode_text(claims);
    std::vector<std::uint8_t> const message(text.begin(), text.end());
    auto const signature = key.sign(message);
    auto const public_key = key.public_key();
    ed25519_verifier const verifier;
    for ([[maybe_unused]] auto _ : state) {
        benchmark::DoNotOptimize(verifier.verify(signed_message{public_key, message, signature}));
    }
}
BENCHMARK(ed25519_verify);

void consent_token_check(benchmark::State& state) {
    auto const auth = signed_auth();
    ed25519_verifier const verifier;
    auto const now = std::chrono::system_clock::now();
    for ([[maybe_unused]] auto _ : state)
        benchmark::DoNotOptimize(consent::check_token(auth, verifier, now));
}
BENCHMARK(consent_token_check);

void json_parse_only(benchmark::State& state) {
    auto const text = encode_message(signed_auth());
    for ([[maybe_unused]] auto _ : state)
        benchmark::DoNotOptimize(boost::json::parse(text));
}
BENCHMARK(json_parse_only);

void message_decode(benchmark::State& state) {
    auto const text = encode_message(signed_auth());
    for ([[maybe_unused]] auto _ : state) {
        auto const value = json::parse(text);
        benchmark::DoNotOptimize(decode_message<consent::handshake_auth>(*value));
    }
}
BENCHMARK(message_decode);

audit_record example_record() {
    return consent::handshake_completed("6a4c7c5e-8b0e-4d0e-9f57-0a8a3f0f1c11", "patient-001",
                                        "0d3b7c1e-0d53-4a0e-8f5e-7d7d0f6f9b01", "new",
                                        "1245319599");
}

void sha256_only(benchmark::State& state) {
    std::vector<std::uint8_t> const bytes(400, 'x');
    std::vector<std::uint8_t> digest(CryptoPP::SHA256::DIGESTSIZE);
    for ([[maybe_unused]] auto _ : state) {
        CryptoPP::SHA256().CalculateDigest(digest.data(), bytes.data(), bytes.size());
        benchmark::DoNotOptimize(digest.data());
    }
}
BENCHMARK(sha256_only);

void audit_line_chained(benchmark::State& state) {
    audit_link last;
    auto const now = std::chrono::system_clock::now();
    for ([[maybe_unused]] auto _ : state) {
        benchmark::DoNotOptimize(next_audit_line(last, example_record(), now));
    }
}
BENCHMARK(audit_line_chained);

void admission_enter_and_leave(benchmark::State& state) {
    queueing_admission admission;
    admission_request const request{"192.0.2.1", {}, {}};
    for ([[maybe_unused]] auto _ : state)
        benchmark::DoNotOptimize(admission.enter(request));
}
BENCHMARK(admission_enter_and_leave);

} // namespace

BENCHMARK_MAIN();
