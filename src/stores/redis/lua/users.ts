/**
 * The index of a user: a sorted set of handles, "s:" or "l:" and the id, by the server's time of adding them. It
 * only says where to look: a handle may be stale, and whose a row is says the row. The other way round it must
 * not be: a row that its user's index lacks would survive a revocation. So the index is written first, and it
 * lives a day longer than the deadlines it was told of, as the clocks of servers and applications differ.
 */
export const INDEXES = `
local DAY = 86400000
local SWEEP_FROM, SWEEP = 32, 8

-- Milliseconds, and microseconds of this second, as good as chance for who looks at a few of many.
local function clock()
  local time = redis.call('TIME')
  local micros = tonumber(time[2])
  return tonumber(time[1]) * 1000 + math.floor(micros / 1000), micros
end

-- Gives the number of handles.
local function index(key, deadline, handles)
  local now = clock()
  for _, handle in ipairs(handles) do redis.call('ZADD', key, digits(now), handle) end
  local wanted = math.ceil(deadline) + DAY
  local left = redis.call('PTTL', key)
  if left < 0 or left < wanted - now then redis.call('PEXPIREAT', key, digits(math.max(1, wanted))) end
  return redis.call('ZCARD', key)
end

-- So many handles side by side, from a place that chance has chosen: each has the same chance, those at the ends too.
local function some_of(key, count, most)
  local _, micros = clock()
  local from = micros % (count + most - 1) - most + 1
  return redis.call('ZRANGE', key, math.max(0, from), from + most - 1)
end
`;

/**
 * Takes a few handles out of an index whose rows are gone, after the rows of the same script were written; on a single server.
 * A sign-in adds two handles at most and looks at eight, however many there are: so of an index that has grown, a third is
 * stale at most in the long run. Only whether a key is there is asked, which costs the same whatever its size.
 */
export const SWEEPS = `
local function sweep_some(key, count)
  if count <= SWEEP_FROM then return end
  for _, handle in ipairs(some_of(key, count, SWEEP)) do
    local row = key_of(string.sub(handle, 1, 1), string.sub(handle, 3))
    if redis.call('PTTL', row) == -2 then redis.call('ZREM', key, handle) end
  end
end
`;

/** Devices by their handles, after `ROWS`. */
export const USERS = `${INDEXES}${SWEEPS}
-- Scripts that find more handles than this in an index do nothing: the caller asks again, in parts.
local PART = 256

local function of_handle(handle)
  local id = string.sub(handle, 3)
  if string.sub(handle, 1, 2) == 's:' then return of_session(session(id)) end
  return of_login(login(id))
end

-- Strict: a handle of a row that belongs to somebody else by now is none of this user's.
local function devices(user, handles)
  local entries = {}
  for _, handle in ipairs(handles) do
    local entry = of_handle(handle)
    if entry and user_of(entry) == user then add(entries, entry) end
  end
  return entries
end

local function last_use(entry)
  local s, l = entry.session, entry.login
  return math.max(s and num(s.head.ls) or 0, l and num(l.head.lu) or 0)
end

local function is_in_realm(entry, realm)
  return not realm or realm == '' or string.sub((entry.session or entry.login).id, -#realm) == realm
end

-- A handle that leads to nothing of this user. A login's stays while the login lives: its session may be somebody
-- else's now, and go.
local function is_stale(user, handle)
  local id = string.sub(handle, 3)
  local row
  if string.sub(handle, 1, 2) == 's:' then row = session(id) else row = alive(login(id)) end
  return not row or row.head.us ~= user
end

-- Four words for each: id and row of session and login, empty for none. A list is told no data.
local function tell(found, entry, has_data)
  local s, l = entry.session, entry.login
  found[#found + 1] = s and s.id or ''
  found[#found + 1] = s and (has_data and s.raw or string.sub(s.raw, 1, s.newline)) or ''
  found[#found + 1] = l and l.id or ''
  found[#found + 1] = l and l.raw or ''
end

-- Only where index and rows change together, as on a single server.
local function sweep(key, user, handles)
  for _, handle in ipairs(handles) do
    if is_stale(user, handle) then redis.call('ZREM', key, handle) end
  end
end
`;

/** KEYS: the user's index. ARGV: length of the key's end, deadline, handles. Gives the number of handles. */
export const INDEX = `
local handles = {}
for at = 3, #ARGV do handles[#handles + 1] = ARGV[at] end
return index(KEYS[1], num(ARGV[2]), handles)
`;

/** KEYS: the user's index. Gives handle and time of adding for each, as text. */
export const READ_INDEX = `return redis.call('ZRANGE', KEYS[1], 0, -1, 'WITHSCORES')`;

/** The same of a few, chosen by chance. ARGV: length of the key's end, how many. */
export const READ_SOME = `
local found = {}
for _, handle in ipairs(some_of(KEYS[1], redis.call('ZCARD', KEYS[1]), tonumber(ARGV[2]))) do
  found[#found + 1] = handle
  found[#found + 1] = redis.call('ZSCORE', KEYS[1], handle)
end
return found
`;

/**
 * KEYS: the user's index. ARGV: length of the key's end, then pairs of a stale handle and the time that it was read
 * with: a handle that was added again since then is somebody's who is signing in now. An hour old at least, so
 * that none goes whose row is still on its way.
 */
export const FORGET = `
local HOUR = 3600000
local before = clock() - HOUR
for at = 2, #ARGV, 2 do
  local added = redis.call('ZSCORE', KEYS[1], ARGV[at])
  if added == ARGV[at + 1] and num(added) < before then redis.call('ZREM', KEYS[1], ARGV[at]) end
end
return 'OK'
`;

/**
 * A user's devices. KEYS: the user's index; or any row of the handles' slot, or on a single server of any, and there the index.
 * ARGV: length of the key's end, user, handles; without handles those of the index. Gives the stale ones, then id and row of
 * session and login for each device, empty for none; or "many".
 */
export const LIST = `
local user, handles = ARGV[2], {}
for at = 3, #ARGV do handles[#handles + 1] = ARGV[at] end
local key = KEYS[2]
if #handles == 0 then
  key = KEYS[1]
  if redis.call('ZCARD', key) > PART then return { 'many' } end
  handles = redis.call('ZRANGE', key, 0, -1)
end
local stale, found = {}, {}
for _, handle in ipairs(handles) do
  if is_stale(user, handle) then stale[#stale + 1] = handle end
end
for _, entry in ipairs(devices(user, handles)) do tell(found, entry, false) end
if key then sweep(key, user, handles) end
return { stale, found }
`;

/**
 * Ends devices. KEYS and ARGV as above, but ARGV[2] is the order: the user if one is named, the handle if one is,
 * the session to spare, the realm, before when it was last used, the tombstone. Gives what was ended, or "many".
 */
export const END = `
local order, handles = cjson.decode(ARGV[2]), {}
for at = 3, #ARGV do handles[#handles + 1] = ARGV[at] end
local entries, ended = {}, {}
local key = KEYS[2]
if order.handle then
  key, handles = nil, { 's:' .. order.handle, 'l:' .. order.handle }
elseif #handles == 0 then
  key = KEYS[1]
  if redis.call('ZCARD', key) > PART then return { 'many' } end
  handles = redis.call('ZRANGE', key, 0, -1)
end
for _, handle in ipairs(handles) do
  local entry = of_handle(handle)
  if entry and (not order.user or user_of(entry) == order.user) and is_in_realm(entry, order.realm)
    and (not order.before or last_use(entry) < num(order.before))
    and not (order.except and (entry.session and entry.session.id == order.except
      or entry.login and entry.login.id == order.except)) then
    add(entries, entry)
  end
end
for _, entry in ipairs(entries) do finish(entry, order.tombstone, ended) end
save()
if key then sweep(key, order.user, handles) end
return ended
`;

/** A device's name. KEYS: session and login of the handle. ARGV: length of the key's end, handle, user, { na: name }. */
export const NAME = `
local set_name, found = cjson.decode(ARGV[4]), false
for _, handle in ipairs({ 's:' .. ARGV[2], 'l:' .. ARGV[2] }) do
  local entry = of_handle(handle)
  if entry and user_of(entry) == ARGV[3] then
    found = true
    if entry.session then set(entry.session, set_name) end
    if entry.login then set(entry.login, set_name) end
  end
end
save()
return found and 'yes' or 'no'
`;

/** Devices by their handles, whosever they are: as LIST, without users. KEYS: any row of the slot. */
export const LOOK = `
local entries, found = {}, {}
for at = 2, #ARGV do
  local entry = of_handle(ARGV[at])
  if entry then add(entries, entry) end
end
for _, entry in ipairs(entries) do tell(found, entry, true) end
return { {}, found }
`;
