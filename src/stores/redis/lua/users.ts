/**
 * The index of a user: a sorted set of handles, "s:" or "l:" and the id, by the server's time of adding them. It
 * only says where to look: a handle may be stale, and the row itself names its user. An index must not lack a row, which
 * would then survive a revocation. So the index is written first, and outlives its rows by a day: both by the server's
 * clock, so that it does not matter how far that is from the clocks of applications.
 */
export const INDEXES = `
local DAY = 86400000
local SWEEP_FROM, SWEEP = 32, 8

-- Milliseconds, and microseconds of this second, which are random enough to pick a few of many.
local function clock()
  local time = redis.call('TIME')
  local micros = tonumber(time[2])
  return tonumber(time[1]) * 1000 + math.floor(micros / 1000), micros
end

-- A command on an index, which names the key where something else is there.
local function on_index(command, key, ...)
  local reply = redis.pcall(command, key, ...)
  if is_other_type(reply) then error('damaged index: <' .. key .. '> ', 0) end
  if type(reply) == 'table' and reply.err then return redis.call(command, key, ...) end
  return reply
end

-- Gives the number of handles.
local function index(key, deadline, handles)
  local now = clock()
  for _, handle in ipairs(handles) do on_index('ZADD', key, digits(now), handle) end
  local wanted = math.ceil(deadline) + DAY
  local left = redis.call('PTTL', key)
  if left < 0 or left < wanted - now then redis.call('PEXPIREAT', key, digits(math.max(1, wanted))) end
  return redis.call('ZCARD', key)
end

-- Until when an index has to lead to a row: as long as it is kept, and would be after uses until its last moment.
local function horizon(head, last)
  local absolute, kept = num(head.ab), num(head.pr)
  return math.max(kept, absolute + math.max(0, kept - (finite(last) or kept)))
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
 * stale at most in the long run. It checks only whether a key exists, which costs the same whatever its size.
 */
export const SWEEPS = `
local function sweep_some(key, count)
  if count <= SWEEP_FROM then return end
  for _, handle in ipairs(some_of(key, count, SWEEP)) do
    local kind = string.sub(handle, 1, 1)
    local row = key_of(kind, string.sub(handle, 3))
    if kind ~= 't' and redis.call('PTTL', row) == -2 then redis.call('ZREM', key, handle) end
  end
end
`;

/** What indexes must have before rows are written, after `ROWS` and `INDEXES`. */
export const NEEDS = `
-- By the names of indexes, without the prefix. The devices of a tag have an index of their own, as a sign-in under it looks
-- for them alone.
local needs = {}
local function tag_name(user, tag) return 'tag:' .. #user .. ':' .. user .. ':' .. tag end

local function note(name, handle, deadline)
  local known = needs[name] or { deadline = 0, handles = {} }
  known.deadline = math.max(known.deadline, deadline)
  known.handles[#known.handles + 1] = handle
  needs[name] = known
end

local function need(row, handle, deadline)
  local head = row.head
  head.ix = digits(math.ceil(deadline))
  if head.us then
    note('u:' .. head.us, handle, deadline)
    if head.ta then
      note(tag_name(head.us, head.ta), handle, deadline)
      note('also:' .. head.us, 't:' .. head.ta, deadline)
    end
  end
  -- A sign-in that waits, or a session in which that user acts as another: for erasing them.
  if head.pu then note('also:' .. head.pu, handle, deadline) end
  if head.ac then note('also:' .. head.ac, handle, deadline) end
end

local function is_indexed(row) return owner_of(row) or row.head.pu or row.head.ac end

local function need_login(row) need(row, 'l:' .. row.id, horizon(row.head, row.head.lu)) end

-- Together with its login, as that brings it back.
local function need_session(row)
  local owner = login(row.head.re)
  local deadline = math.max(horizon(row.head, row.head.ls), owner and horizon(owner.head, owner.head.lu) or 0)
  need(row, 's:' .. row.id, deadline)
end

-- Where indexes lie elsewhere: one that lacks some of it so far, or nothing.
local function lacking(indexed)
  for name, known in pairs(needs) do
    local written = indexed[name] or { deadline = 0, handles = {} }
    local is_written = written.deadline >= known.deadline
    local has = {}
    for _, handle in ipairs(written.handles) do has[handle] = true end
    for _, handle in ipairs(known.handles) do is_written = is_written and has[handle] end
    if not is_written then return { 'index', name, digits(math.ceil(known.deadline)), unpack(known.handles) } end
  end
end

local function write_indexes()
  local counts = {}
  for name, known in pairs(needs) do counts[base .. name] = index(base .. name, known.deadline, known.handles) end
  return counts
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

-- For handles of the user's own index. A row that another user has by now is left out; one whose user cannot be read
-- counts as this user's.
local function is_of(entry, user) return user_of(entry) == user or is_unclear(entry) end

local function devices(user, handles)
  local entries = {}
  for _, handle in ipairs(handles) do
    local entry = of_handle(handle)
    if entry and is_of(entry, user) then add(entries, entry) end
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

-- A handle that leads to no device of this user; and the tombstone, if it leads to one. A login's stays while the login lives:
-- its session may be another user's now, and end.
local function is_stale(user, handle)
  local id = string.sub(handle, 3)
  if string.sub(handle, 1, 2) == 's:' then
    local row = session(id)
    return not (row and is_of({ session = row }, user))
  end
  local row = login(id)
  if not (row and is_of({ login = row }, user)) then return true end
  return not alive(row), not alive(row) and row or nil
end

-- Four words for each: id and row of session and login, empty for none. A list gets no data.
local function report(found, entry, has_data)
  local s, l = entry.session, entry.login
  found[#found + 1] = s and s.id or ''
  found[#found + 1] = s and s.raw and (has_data and s.raw or string.sub(s.raw, 1, s.newline)) or ''
  found[#found + 1] = l and l.id or ''
  found[#found + 1] = l and l.raw or ''
end

-- The row of a handle, if it names the user by any of its fields.
local function named_row(handle, user)
  local id = string.sub(handle, 3)
  local row
  if string.sub(handle, 1, 2) == 's:' then row = session(id) end
  if string.sub(handle, 1, 2) == 'l:' then row = login(id) end
  if not row then return nil end
  local head = row.head
  local is_unclear = row.damaged and not owner_of(row) and not head.pu and not head.ac
  return (head.us == user or head.pu == user or head.ac == user or is_unclear) and row or nil
end

-- Only where index and rows change together, as on a single server. What leads to a tombstone moves to where an erasure finds
-- it, as lists and caps have no use for it: a user may sign in ten thousand times. If it cannot, it stays.
local function sweep(key, user, handles)
  for _, handle in ipairs(handles) do
    local stale, tombstone = is_stale(user, handle)
    local is_kept = tombstone and key == base .. 'u:' .. user
      and not pcall(index, base .. 'also:' .. user, num(tombstone.head.pr), { handle })
    if stale and not is_kept then redis.call('ZREM', key, handle) end
  end
end
`;

/** KEYS: an index. ARGV: length of the key's end, deadline, handles. Gives the number of handles. */
export const INDEX = `
local handles = {}
for at = 3, #ARGV do handles[#handles + 1] = ARGV[at] end
return index(KEYS[1], num(ARGV[2]), handles)
`;

/** The same in place of a damaged index: its handles come from rows. Without handles it is only removed. */
export const REMAKE = `
if is_other_type(redis.pcall('ZCARD', KEYS[1])) then redis.call('DEL', KEYS[1]) end
local handles = {}
for at = 3, #ARGV do handles[#handles + 1] = ARGV[at] end
return #handles == 0 and 0 or index(KEYS[1], num(ARGV[2]), handles)
`;

/**
 * Which of some handles lead to a user's rows, whatever indexes say. KEYS: any row of the slot. ARGV: length of the key's end,
 * user, handles. Gives handles, each with until when its index has to lead there.
 */
export const OWN = `
local found = {}
for at = 3, #ARGV do
  local id = string.sub(ARGV[at], 3)
  local is_session = string.sub(ARGV[at], 1, 2) == 's:'
  local row = is_session and session(id) or not is_session and login(id)
  if row and owner_of(row) == ARGV[2] then
    found[#found + 1] = ARGV[at]
    found[#found + 1] = digits(math.ceil(math.max(num(row.head.ix), horizon(row.head, row.head.ls or row.head.lu))))
  end
end
return found
`;

/** KEYS: an index. Gives handle and time of adding for each, as text. */
export const READ_INDEX = `return on_index('ZRANGE', KEYS[1], 0, -1, 'WITHSCORES')`;

/** KEYS: an index. Gives how many handles it has. */
export const COUNT = `return on_index('ZCARD', KEYS[1])`;

/** KEYS: an index. ARGV: length of the key's end, handles. Gives whether it has any of them. */
export const HAS = `
for at = 2, #ARGV do
  if on_index('ZSCORE', KEYS[1], ARGV[at]) then return 'yes' end
end
return 'no'
`;

/** Handles of an index and times, of a few, chosen by chance. ARGV: length of the key's end, how many. */
export const READ_SOME = `
local found = {}
for _, handle in ipairs(some_of(KEYS[1], on_index('ZCARD', KEYS[1]), tonumber(ARGV[2]))) do
  found[#found + 1] = handle
  found[#found + 1] = redis.call('ZSCORE', KEYS[1], handle)
end
return found
`;

/**
 * KEYS: an index. ARGV: length of the key's end, then pairs of a stale handle and the time that it was read
 * with: a handle that was added again since then belongs to a sign-in under way. Only handles of an hour or more are
 * removed, as the row of a newer one may still be on its way.
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
 * ARGV: length of the key's end, user, handles; without handles those of the index. Gives the stale ones; then id and row of
 * session and login for each device, empty for none; and of the stale ones those of tombstones, each with how long it is kept.
 * Or "many".
 */
export const LIST = `
local user, handles = ARGV[2], {}
for at = 3, #ARGV do handles[#handles + 1] = ARGV[at] end
local key = KEYS[2]
if #handles == 0 then
  key = KEYS[1]
  if on_index('ZCARD', key) > PART then return { 'many' } end
  handles = redis.call('ZRANGE', key, 0, -1)
end
local stale, found, tombstones = {}, {}, {}
for _, handle in ipairs(handles) do
  local is, tombstone = is_stale(user, handle)
  if is then stale[#stale + 1] = handle end
  if tombstone then
    tombstones[#tombstones + 1] = handle
    tombstones[#tombstones + 1] = digits(math.ceil(num(tombstone.head.pr)))
  end
end
for _, entry in ipairs(devices(user, handles)) do report(found, entry, false) end
if key then sweep(key, user, handles) end
return { stale, found, tombstones }
`;

/**
 * Ends devices. KEYS and ARGV as above, but ARGV[2] is the order: the user if one is named, the handle if one is,
 * the session to spare, the realm, before when it was last used, the tombstone. Gives what was ended, or "many"; or "whose"
 * for a handle of a row whose user cannot be read, unless the order says that it is the user's.
 */
export const END = `
local order, handles = cjson.decode(ARGV[2]), {}
-- A key is proved now and then, and goes on with a session that was used later.
local function is_key(entry)
  local head = entry.session and entry.session.head
  return head and head.le == 'binding'
end
for at = 3, #ARGV do handles[#handles + 1] = ARGV[at] end
local entries, ended = {}, {}
local key = KEYS[2]
if order.handle then
  key, handles = nil, { 's:' .. order.handle, 'l:' .. order.handle }
elseif #handles == 0 then
  key = KEYS[1]
  if on_index('ZCARD', key) > PART then return { 'many' } end
  handles = redis.call('ZRANGE', key, 0, -1)
end
for _, handle in ipairs(handles) do
  local entry = of_handle(handle)
  if entry and order.handle and order.user and not order.owned and is_unclear(entry) then return { 'whose' } end
  if entry and (not order.user or is_of(entry, order.user)) and is_in_realm(entry, order.realm)
    and (not order.before or last_use(entry) < num(order.before) and not is_key(entry))
    and not (order.except and (entry.session and entry.session.id == order.except
      or entry.login and entry.login.id == order.except)) then
    add(entries, entry)
  end
end
for _, entry in ipairs(entries) do finish(entry, order.tombstone, ended, order.user) end
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
    for _, row in pairs(entry) do
      if not row.damaged then
        found = true
        set(row, set_name)
      end
    end
  end
end
save()
return found and 'yes' or 'no'
`;

/**
 * Rows that name a user. KEYS: any row of the slot. ARGV: length of the key's end, user, handles. Gives a handle and the row
 * for each. A damaged row whose user cannot be read is the user's, as its index says so.
 */
export const NAMING = `
local found = {}
for at = 3, #ARGV do
  local row = named_row(ARGV[at], ARGV[2])
  if row then
    found[#found + 1] = ARGV[at]
    found[#found + 1] = row.raw or ''
  end
end
return found
`;

/**
 * Deletes such rows. ARGV: length of the key's end, user, realm, handles. Gives handles, each with "gone", "trust", or
 * "kept" for a row of another realm.
 */
export const ERASE = `
local found = {}
for at = 4, #ARGV do
  local row = named_row(ARGV[at], ARGV[2])
  if row then
    local is_own = ARGV[3] == '' or string.sub(row.id, -#ARGV[3]) == ARGV[3]
    found[#found + 1] = ARGV[at]
    found[#found + 1] = not is_own and 'kept' or row.head.le == 'trust' and 'trust' or 'gone'
    if is_own then delete(row) end
  end
end
save()
return found
`;

/** Takes addresses out of sessions. ARGV: length of the key's end, before when they were used, realm, handles. Gives how many. */
export const FORGET_ADDRESSES = `
local count = 0
for at = 4, #ARGV do
  local row = string.sub(ARGV[at], 1, 2) == 's:' and session(string.sub(ARGV[at], 3))
  if row and not row.damaged and row.head.ad and num(row.head.ls) < num(ARGV[2])
    and string.sub(row.id, -#ARGV[3]) == ARGV[3] then
    set(row, { ad = cjson.null })
    count = count + 1
  end
end
save()
return count
`;

/** Devices by their handles, whosever they are: as LIST, without users. KEYS: any row of the slot. */
export const LOOK = `
local entries, found = {}, {}
for at = 2, #ARGV do
  local entry = of_handle(ARGV[at])
  if entry then add(entries, entry) end
end
for _, entry in ipairs(entries) do report(found, entry, true) end
return { {}, found }
`;
