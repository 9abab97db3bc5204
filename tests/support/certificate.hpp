// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

#include <boost/test/unit_test.hpp>

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>

namespace parley::test {

/// Writes a new key, and a certificate for `name` signed with it that is valid for an hour.
inline void make_certificate(std::filesystem::path const& certificate,
                             std::filesystem::path const& key, std::string const& name) {
    std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> const pair(EVP_EC_gen("P-256"),
                                                                   &EVP_PKEY_free);
    std::unique_ptr<X509, decltype(&X509_free)> const x509(X509_new(), &X509_free);
    X509_set_version(x509.get(), X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(x509.get()), 1);
    X509_gmtime_adj(X509_getm_notBefore(x509.get()), -60);
    X509_gmtime_adj(X509_getm_notAfter(x509.get()), 3600);
    auto* const subject = X509_get_subject_name(x509.get());
    X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC,
                               reinterpret_cast<unsigned char const*>(name.c_str()), -1, -1, 0);
    X509_set_issuer_name(x509.get(), subject);
    X509_set_pubkey(x509.get(), pair.get());
    BOOST_REQUIRE(X509_sign(x509.get(), pair.get(), EVP_sha256()) > 0);

    auto const open = [](std::filesystem::path const& path) {
        return std::unique_ptr<std::FILE, decltype(&std::fclose)>(std::fopen(path.c_str(), "w"),
                                                                  &std::fclose);
    };
    auto const certificate_file = open(certificate);
    auto const key_file = open(key);
    BOOST_REQUIRE((certificate_file && key_file));
    BOOST_REQUIRE(PEM_write_X509(certificate_file.get(), x509.get()) == 1);
    BOOST_REQUIRE(PEM_write_PrivateKey(key_file.get(), pair.get(), nullptr, nullptr, 0, nullptr,
                                       nullptr) == 1);
}

} // namespace parley::test
