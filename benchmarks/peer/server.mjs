// Distributed under the Boost Software License, Version 1.0. See LICENSE.
//
// The peer of the benchmark: the consent handshake on Node.js with the `ws` package, written as such
// a server usually is. It verifies what the broker verifies and makes durable what the broker makes
// durable (the relationship, then the hash-chained audit entries), but keeps its relationships in a
// map instead of a database, does no admission, and checks no claim beyond the ones it uses; so it
// has less to do.
//
// Usage: node server.mjs FOLDER PROVIDER-NPI      prints "port N" when it listens on loopback

import { createHash, createPublicKey, randomBytes, randomUUID, verify } from 'node:crypto';
import { fdatasyncSync, openSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { WebSocketServer } from 'ws';

const [folder, npi] = process.argv.slice(2);
const database = openSync(join(folder, 'relationships.jsonl'), 'a');
const audit = openSync(join(folder, 'audit.jsonl'), 'a');
const relationships = new Map();
let previous = '0'.repeat(64);
let sequence = 0;

function record(file, text) {
    writeSync(file, text);
    fdatasyncSync(file);
}

function auditLine(category, action, actor, details) {
    const entry = { action, actor, category, details, prev_hash: previous, sequence: ++sequence,
                    timestamp: new Date().toISOString() };
    previous = createHash('sha256').update(JSON.stringify(entry)).digest('hex');
    return JSON.stringify({ ...entry, hash: previous }) + '\n';
}

function keyOf(base64url) {
    return createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x: base64url }, format: 'jwk' });
}

function onAuth(session, message) {
    const payload = Buffer.from(message.consent_token_payload, 'base64url');
    const key = keyOf(message.patient_public_key);
    const signature = Buffer.from(message.consent_token_signature, 'base64url');
    if (!verify(null, payload, key, signature)) return session.fail('CONSENT_FAILED', 4003);
    const claims = JSON.parse(payload.toString('utf8'));
    if (claims.exp <= Date.now() / 1000) return session.fail('CONSENT_FAILED', 4003);
    if (claims.provider_npi !== npi) return session.fail('PROVIDER_NOT_FOUND', 4004);
    session.started = auditLine('connection', 'connection.handshake_started',
                                message.patient_agent_id, { session_id: session.id });
    Object.assign(session, { claims, key, publicKey: message.patient_public_key });
    const known = relationships.get(claims.patient_agent_id);
    if (known !== undefined) return complete(session, known, 'existing', '');
    session.nonce = randomBytes(32);
    session.send({ type: 'handshake.challenge', nonce: session.nonce.toString('hex'),
                   provider_npi: npi, organization_npi: '1234567893' });
}

function onResponse(session, message) {
    const signature = Buffer.from(message.signed_nonce, 'base64url');
    if (!verify(null, session.nonce, session.key, signature)) {
        return session.fail('CONSENT_FAILED', 4003);
    }
    const { patient_agent_id: patient, consented_actions } = session.claims;
    const id = randomUUID();
    relationships.set(patient, id);
    record(database, JSON.stringify({ relationship_id: id, patient_agent_id: patient,
                                      provider_npi: npi, status: 'active', consented_actions,
                                      patient_public_key: session.publicKey }) + '\n');
    complete(session, id, 'new',
             auditLine('consent', 'consent.relationship_established', patient,
                       { relationship_id: id, provider_npi: npi, consented_actions }));
}

function complete(session, id, status, established) {
    record(audit, session.started + established +
                      auditLine('connection', 'connection.handshake_completed',
                                session.claims.patient_agent_id,
                                { session_id: session.id, relationship_id: id, status,
                                  provider_npi: npi }));
    session.send({ type: 'handshake.complete', relationship_id: id,
                   provider_endpoint: `http://localhost:3000/ws/provider/${npi}`, status });
    session.socket.close(1000, 'Handshake complete');
}

const server = new WebSocketServer({ host: '127.0.0.1', port: 0, path: '/ws/handshake',
                                     maxPayload: 65536, perMessageDeflate: false });
server.on('connection', (socket) => {
    const session = {
        id: randomUUID(),
        socket,
        send: (message) => socket.send(JSON.stringify(message)),
        fail(code, close) {
            this.send({ type: 'handshake.error', code, message: code });
            socket.close(close, code);
        },
    };
    socket.on('message', (data) => {
        try {
            const message = JSON.parse(data.toString('utf8'));
            if (message.type === 'handshake.auth') onAuth(session, message);
            else if (message.type === 'handshake.challenge_response') onResponse(session, message);
        } catch {
            session.fail('INVALID_MESSAGE', 4002);
        }
    });
});
server.on('listening', () => console.log(`port ${server.address().port}`));
