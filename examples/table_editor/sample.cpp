// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#include "sample.hpp"

#include <soci/soci.h>
#include <soci/sqlite3/soci-sqlite3.h>

#include <array>
#include <string>
#include <string_view>

namespace table_editor {

namespace {

/// Made up by counting; no one in it exists.
constexpr std::array<std::string_view, 12> statements{
    "CREATE TABLE patients (id INTEGER PRIMARY KEY, name TEXT NOT NULL, born DATE, "
    "weight_kg DECIMAL(6,2), active BOOLEAN NOT NULL DEFAULT 1, notes TEXT)",
    "CREATE TABLE visits (id INTEGER PRIMARY KEY, patient_id INTEGER NOT NULL REFERENCES patients, "
    "at TIMESTAMP NOT NULL, reason TEXT, cost DECIMAL(12,4))",
    // SQLite keeps 15 digits of a number, and all of a text.
    "CREATE TABLE accounts (id INTEGER PRIMARY KEY, owner TEXT NOT NULL, "
    "balance DECIMAL_TEXT(20,4) NOT NULL, ledger_number BIGINT UNIQUE)",
    "CREATE TABLE attachments (id INTEGER PRIMARY KEY, name VARCHAR(80) NOT NULL, content BLOB)",
    "CREATE TABLE settings (name TEXT PRIMARY KEY, value TEXT)",
    "CREATE TABLE measurements (taken_at TIMESTAMP, device TEXT, reading REAL)",

    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 500), "
    "first(j, name) AS (VALUES (0,'Ada'),(1,'Grace'),(2,'Edsger'),(3,'Barbara'),(4,'Alan'),"
    "(5,'Frances'),(6,'Niklaus'),(7,'Radia'),(8,'Donald'),(9,'Margaret')), "
    "last(j, name) AS (VALUES (0,'Okafor'),(1,'Lindgren'),(2,'Haddad'),(3,'Moreau'),(4,'Tanaka'),"
    "(5,'Novak'),(6,'Silva'),(7,'Brennan'),(8,'Petrov'),(9,'Kaya')) "
    "INSERT INTO patients SELECT i, first.name || ' ' || last.name, "
    "date('1930-01-01', '+' || (i * 61) || ' days'), 50 + (i * 37 % 700) / 10.0, i % 7 <> 0, "
    "CASE WHEN i % 3 = 0 THEN NULL WHEN i % 5 = 0 THEN '' ELSE 'Seen by Dr. ' || last.name END "
    "FROM n JOIN first ON first.j = i % 10 JOIN last ON last.j = i / 10 % 10",

    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000), "
    "reason(j, text) AS (VALUES (0,'check-up'),(1,'vaccination'),(2,'follow-up'),(3,NULL),"
    "(4,'blood test')) "
    "INSERT INTO visits SELECT i, i * 7919 % 500 + 1, "
    "datetime('2015-01-01', '+' || (i * 53) || ' minutes'), reason.text, "
    "(i * 104729 % 4000000) / 10000.0 FROM n JOIN reason ON reason.j = i % 5",

    "INSERT INTO accounts VALUES (1,'Clinic','1234567890123456.7891',9223372036854775807),"
    "(2,'Laboratory','0.0001',9007199254740993),(3,'Pharmacy','-42.5000',-9223372036854775808),"
    "(4,'Reserve','1000000.0000',NULL)",
    "INSERT INTO attachments VALUES (1,'pixel.gif',X'47494638396101000100800000000000FFFFFF21F90401"
    "000000002C00000000010001000002024401003B'),(2,'empty.bin',X''),(3,'missing.bin',NULL)",
    "INSERT INTO settings VALUES ('language','en'),('clinic name','St. Elsewhere'),('fax',NULL)",
    "INSERT INTO measurements VALUES ('2026-01-01 08:00:00','scale 1',72.4),"
    "('2026-01-01 08:00:00','scale 1',72.4),('2026-01-02 08:05:00','scale 2',0.1)",
};

} // namespace

void make_sample(std::filesystem::path const& file) {
    soci::session session(soci::sqlite3, "db=\"" + file.native() + '"');
    session << "PRAGMA journal_mode = WAL";
    session << "BEGIN";
    for (auto const statement : statements)
        session << statement;
    session << "COMMIT";
}

} // namespace table_editor
