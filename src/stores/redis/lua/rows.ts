export const NUMBERS = `
-- Nothing for what is no number, as of a row that is damaged: an error would stop the script for all others.
local function finite(text)
  local value = tonumber(text)
  return value and value - value == 0 and value or nil
end
local function num(text) return finite(text) or 0 end

-- Whole numbers up to 2^53 in full: tostring would round them to 14 digits.
local function digits(value) return string.format('%.0f', value) end
`;

/**
 * What a key holds. After `NUMBERS`. For a key of another type it returns no text and a flag: the caller decides whether
 * that stops the script or just is no row.
 */
export const KEYS_OF_OTHERS = `
local function is_other_type(reply)
  return type(reply) == 'table' and reply.err and string.find(reply.err, 'WRONGTYPE', 1, true) ~= nil
end

local function text_in(key)
  local reply = redis.pcall('GET', key)
  if is_other_type(reply) then return false, true end
  -- Once more for its error, in the words of this server's version.
  if type(reply) == 'table' then return redis.call('GET', key), false end
  return reply, false
end

local function damaged(key) error('damaged row: <' .. key .. '> ', 0) end

local function sure_text_in(key)
  local raw, is_other = text_in(key)
  if is_other then damaged(key) end
  return raw
end
`;

/**
 * A session is its head, a newline and its data. After `KEYS_OF_OTHERS`. Where a request presents a row, one that psession
 * did not write stops the script before it has written anything: it must not pass for a missing one.
 */
export const HEADS = `
local function split(raw)
  local newline = string.find(raw, '\\n', 1, true)
  return string.sub(raw, 1, (newline or 1) - 1), newline
end

local function decoded(text, key, field)
  local ok, head = pcall(cjson.decode, text)
  if not ok or type(head) ~= 'table' or type(head[field]) ~= 'string' then damaged(key) end
  return head
end

local function head_of(raw, key)
  local text, newline = split(raw)
  return decoded(text, key, 've'), newline
end

local function login_of(raw, key) return decoded(raw, key, 'ge') end

local function put(head, fields)
  for name, value in pairs(fields) do
    if value == cjson.null then value = nil end
    head[name] = value
  end
end

-- Options that were raised since may let a row live longer than its index.
local function outgrows(head) return math.max(num(head.ab), num(head.pr)) > num(head.ix) end

-- Every write gives the row its expiry anew: without one it would stay for ever.
local function write_row(key, head, data)
  local value, kept = cjson.encode(head), finite(head.pr)
  if data then value = value .. '\\n' .. data end
  if not kept then return redis.call('SET', key, value, 'KEEPTTL') end
  redis.call('SET', key, value, 'PXAT', digits(math.max(1, math.ceil(kept))))
end
`;

/** Names of keys that only a row or a handle names. */
export const NAMES = `
local base = string.sub(KEYS[1], 1, #KEYS[1] - tonumber(ARGV[1]))

local function key_of(kind, id)
  return base .. '{' .. string.sub(id, 1, 6) .. '}' .. kind .. ':' .. id
end
`;

/**
 * What the scripts share that look at more than one row: rows are read when first asked for, changed in memory, and
 * written at the end, so that a condition that fails has changed nothing.
 *
 * KEYS has the keys that are known beforehand; of those that a row names (a login its session and the other way
 * round) the names are made here. They lie in the slot of KEYS[1], as the ids have the same shard key. Names
 * start from KEYS[1], not from an argument: a driver may put a prefix of its own before keys.
 */
export const ROWS = `${NUMBERS}${KEYS_OF_OTHERS}${HEADS}${NAMES}
local sessions, logins, order = {}, {}, {}

-- Of a damaged row there is what can be read of it. We write nothing but text, and never write such a row again.
local function fill(row, text, field)
  local ok, head = pcall(cjson.decode, text)
  row.head = ok and type(head) == 'table' and head or {}
  for name, value in pairs(row.head) do
    if type(value) ~= 'string' then row.head[name], row.damaged = nil, true end
  end
  row.damaged = row.damaged or not row.head[field]
end

local function load(cache, kind, id)
  local row = cache[id]
  if row then return row end
  local key = key_of(kind, id)
  local raw, is_other = text_in(key)
  row = { id = id, key = key, raw = raw or nil }
  if is_other then
    row.head, row.damaged = {}, true
  elseif raw and kind == 's' then
    local text, newline = split(raw)
    fill(row, text, 've')
    row.data, row.newline = string.sub(raw, (newline or #raw) + 1), newline or 0
  elseif raw then
    fill(row, raw, 'ge')
  end
  cache[id] = row
  order[#order + 1] = row
  return row
end

-- The row, damaged or not, or nil where there is none (any more).
local function session(id)
  local row = type(id) == 'string' and load(sessions, 's', id)
  return row and row.head and row or nil
end

local function login(id)
  local row = type(id) == 'string' and load(logins, 'l', id)
  return row and row.head and row or nil
end

-- For conditions, and for requests that present the row.
local function whole(row)
  if row and row.damaged then damaged(row.key) end
  return row
end

local function set(row, fields)
  row.head = row.head or {}
  put(row.head, fields)
  row.dirty = true
end

local function save()
  for _, row in ipairs(order) do
    if row.dirty and row.head then
      write_row(row.key, row.head, row.data)
    elseif row.dirty then
      redis.call('DEL', row.key)
    end
  end
end

-- What a login says of its session is a hint, which outlives the session. The session's own word decides: it may
-- have moved to another login, and then this one has none.
local function session_of(row)
  local found = session(row.head.si)
  return found and found.head.re == row.id and found or nil
end

local function link(row)
  local owner = login(row.head.re)
  if owner and not owner.damaged and owner.head.si ~= row.id then set(owner, { si = row.id }) end
end

local function alive(row) return row and not row.head.rv and row or nil end

local function use_login(use)
  local row = alive(login(use.id))
  if not row or row.damaged then return nil end
  set(row, use.set)
  local confirm = use.confirm
  -- By token and generation: what a request saw when it came says nothing of the login that there is now.
  if confirm and not row.head.ca and row.head.ge == confirm.ge and row.head.to == confirm.to then
    set(row, { ca = confirm.at })
    local found = session_of(row)
    if found and not found.damaged then set(found, { cf = cjson.null }) end
  end
  return row
end

-- Devices: a session with its login unless that has ended, or a login that has no session.
local function of_session(row) return row and { session = row, login = alive(login(row.head.re)) } end
local function of_login(row)
  if not alive(row) then return nil end
  return of_session(session_of(row)) or { login = row }
end

local function owner_of(row)
  local user = row and row.head.us
  return type(user) == 'string' and string.find(user, '^[sn]') and user or nil
end
local function user_of(entry) return owner_of(entry.session) or owner_of(entry.login) end

-- A damaged row whose user cannot be read. A session that names no user is anonymous.
local function is_unclear(entry)
  local row = entry.session or entry.login
  return not user_of(entry) and (row.damaged or not entry.session or row.head.us ~= nil)
end

-- Each device once, however many handles lead to it.
local function add(entries, entry)
  local key = (entry.session or entry.login).key
  if entries[key] then return end
  entries[key] = true
  entries[#entries + 1] = entry
end

-- What is kept about a browser, trust or a key: no device.
local function is_record(head) return head.le == 'trust' or head.le == 'binding' end

local function delete(row)
  row.head = nil
  row.dirty = true
end

-- Ends a device and says so in six words each: its session, its login, its user, the reason, its handle where its rows have
-- one, "record" where it was no device; empty for none. The
-- caller names the user where a damaged row may not. A damaged login gets no tombstone: no script could read it.
local function finish(entry, tombstone, ended, user)
  ended[#ended + 1] = entry.session and entry.session.id or ''
  ended[#ended + 1] = entry.login and entry.login.id or ''
  ended[#ended + 1] = user_of(entry) or user or ''
  ended[#ended + 1] = tombstone.rr or ''
  ended[#ended + 1] = entry.session and entry.session.head.ha or entry.login and entry.login.head.ha or ''
  ended[#ended + 1] = entry.session and is_record(entry.session.head) and 'record' or ''
  if entry.login and entry.login.damaged then
    delete(entry.login)
  elseif entry.login then
    -- Higher by one, so that a rotation in flight finds another generation than it read.
    set(entry.login, { ge = digits(num(entry.login.head.ge) + 1) })
    set(entry.login, tombstone)
    -- The index of its user leads there until a day after this, so that the tombstone can be erased.
    local last = finite(entry.login.head.ix)
    if last and num(entry.login.head.pr) > last + 86400000 then set(entry.login, { pr = digits(last + 86400000) }) end
  end
  if entry.session then delete(entry.session) end
end
`;
