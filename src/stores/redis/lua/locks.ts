/**
 * Times are the caller's; only the key's expiry is by the server's clock. The key stays a day longer than the lock runs,
 * so that the next fence is greater even if the next caller's clock is behind.
 */
export const ACQUIRE = `
local owner, now, ends = ARGV[2], num(ARGV[3]), num(ARGV[4])
local held = redis.call('HMGET', KEYS[1], 'owner', 'ends', 'fence')
-- The same acquisition, sent again by a driver whose connection broke before the answer came.
if held[1] == owner and num(held[2]) > now then return held[3] end
local longest = ARGV[5] and num(ARGV[5]) or math.huge
if held[1] and held[1] ~= '' and num(held[2]) > now and num(held[2]) <= longest then return false end
local fence = digits(math.max(num(held[3]) + 1, math.ceil(now)))
redis.call('HSET', KEYS[1], 'owner', owner, 'ends', ARGV[4], 'fence', fence)
redis.call('PEXPIRE', KEYS[1], digits(math.max(0, math.ceil(ends - now)) + 86400000))
return fence
`;

/** By its owner only: a lock that ran out may have another owner by now. The fence stays. */
export const RELEASE = `
if redis.call('HGET', KEYS[1], 'owner') == ARGV[2] then redis.call('HSET', KEYS[1], 'owner', '') end
return 'OK'
`;

/**
 * A lock by the server's clock. ARGV: length of the key's end, owner, how long. A key without an expiry is no lock of
 * psession's, and would never be given back.
 */
export const LOCK = `
if text_in(KEYS[1]) == ARGV[2] then return 'yes' end
if redis.call('SET', KEYS[1], ARGV[2], 'NX', 'PX', ARGV[3]) then return 'yes' end
if redis.call('PTTL', KEYS[1]) ~= -1 then return 'no' end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return 'yes'
`;

/** Gives it back, unless it ran out and has another owner. */
export const UNLOCK = `
if text_in(KEYS[1]) == ARGV[2] then redis.call('DEL', KEYS[1]) end
return 'OK'
`;
