// Distributed under the Boost Software License, Version 1.0. See LICENSE.
//
// Who has the floor of a channel and who is in it: in memory for one server, or in Redis for several.
// Both tell what happens by `told(channel, {except, state, text})`, in the order of the changes.

import { createClient } from 'redis';

const floorSeconds = 30;

export class MemoryFloors {
    #channels = new Map();

    constructor(told) {
        this.told = told;
    }

    #at(channel) {
        let found = this.#channels.get(channel);
        if (!found)
            this.#channels.set(channel, (found = { users: new Set(), speaker: null, until: 0 }));
        return found;
    }

    async take(channel, speaker, event) {
        const at = this.#at(channel);
        if (at.speaker && Date.now() < at.until) return at.speaker;
        at.speaker = speaker;
        at.until = Date.now() + floorSeconds * 1000;
        this.told(channel, event);
        return speaker;
    }

    async refresh(channel, speaker) {
        const at = this.#at(channel);
        if (at.speaker !== speaker) return false;
        at.until = Date.now() + floorSeconds * 1000;
        return true;
    }

    async release(channel, speaker, event) {
        const at = this.#at(channel);
        if (at.speaker !== speaker) return false;
        at.speaker = null;
        this.told(channel, event);
        return true;
    }

    async holder(channel) {
        const { speaker, until } = this.#at(channel);
        return speaker && Date.now() < until ? speaker : null;
    }

    /** How many are in it now; -1 when there are `most` already. */
    async join(channel, user, most) {
        const { users } = this.#at(channel);
        if (!users.has(user) && users.size >= most) return -1;
        return users.add(user).size;
    }

    async leave(channel, user) {
        const { users, speaker } = this.#at(channel);
        users.delete(user);
        if (users.size === 0 && !speaker) this.#channels.delete(channel);
        return users.size;
    }

    async publish(channel, event) {
        this.told(channel, event);
    }

    async listen() {}
    async ignore() {}
    async close() {}
}

// Each changes and tells in one step, so that all servers hear of the changes in one order.
const scripts = {
    take: `if redis.call('SET', KEYS[1], ARGV[1], 'NX', 'EX', ${floorSeconds}) then
           redis.call('PUBLISH', KEYS[2], ARGV[2])
           return ARGV[1]
         end
         return redis.call('GET', KEYS[1])`,
    refresh: `return redis.call('GET', KEYS[1]) == ARGV[1]
              and redis.call('EXPIRE', KEYS[1], ${floorSeconds}) or 0`,
    release: `if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
            redis.call('DEL', KEYS[1])
            redis.call('PUBLISH', KEYS[2], ARGV[2])
            return 1`,
    join: `if redis.call('SISMEMBER', KEYS[1], ARGV[1]) == 0
           and redis.call('SCARD', KEYS[1]) >= tonumber(ARGV[2]) then return -1 end
         redis.call('SADD', KEYS[1], ARGV[1])
         return redis.call('SCARD', KEYS[1])`,
};

export class RedisFloors {
    static async connect(url, told) {
        const floors = new RedisFloors();
        floors.told = told;
        floors.client = createClient({
            url,
            disableOfflineQueue: true,
            commandsQueueMaxLength: 100_000,
        });
        floors.events = floors.client.duplicate();
        for (const client of [floors.client, floors.events]) {
            client.on('error', (error) => console.error(`redis: ${error.message}`));
            await client.connect();
        }
        floors.loaded = {};
        for (const [name, text] of Object.entries(scripts)) {
            floors.loaded[name] = await floors.client.scriptLoad(text);
        }
        return floors;
    }

    async #run(name, keys, values) {
        const given = { keys, arguments: values };
        try {
            return await this.client.evalSha(this.loaded[name], given);
        } catch (error) {
            if (!error.message.startsWith('NOSCRIPT')) throw error;
            return this.client.eval(scripts[name], given); // Redis was restarted
        }
    }

    #floor = (channel) => [`channel:${channel}:speaker`, `channel:${channel}:events`];

    async take(channel, speaker, event) {
        const given = [JSON.stringify(speaker), JSON.stringify(event)];
        const holder = await this.#run('take', this.#floor(channel), given);
        return holder === given[0] ? speaker : JSON.parse(holder);
    }

    async refresh(channel, speaker) {
        return (await this.#run('refresh', this.#floor(channel), [JSON.stringify(speaker)])) === 1;
    }

    async release(channel, speaker, event) {
        const given = [JSON.stringify(speaker), JSON.stringify(event)];
        return (await this.#run('release', this.#floor(channel), given)) === 1;
    }

    async holder(channel) {
        return JSON.parse(await this.client.get(`channel:${channel}:speaker`));
    }

    async join(channel, user, most) {
        return this.#run('join', [`channel:${channel}:users`], [user, String(most)]);
    }

    async leave(channel, user) {
        const users = `channel:${channel}:users`;
        const [, left] = await this.client.multi().sRem(users, user).sCard(users).exec();
        return left;
    }

    async publish(channel, event) {
        await this.client.publish(`channel:${channel}:events`, JSON.stringify(event));
    }

    /** From the first member of a channel here … */
    async listen(channel) {
        const heard = (text) => this.told(channel, JSON.parse(text));
        await this.events.subscribe(`channel:${channel}:events`, heard);
    }

    /** … to the last. */
    async ignore(channel) {
        await this.events.unsubscribe(`channel:${channel}:events`);
    }

    async close() {
        await Promise.all([this.client.close(), this.events.close()]);
    }
}
