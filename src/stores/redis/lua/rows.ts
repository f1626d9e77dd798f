export const NUMBERS = `
local function num(text) return tonumber(text or 0) end

-- Whole numbers up to 2^53 in full: tostring would round them to 14 digits.
local function digits(value) return string.format('%.0f', value) end
`;

/**
 * A session is its head, a newline and its data; after `NUMBERS`. A row that is none of ours stops the script, before it has
 * written anything: it must not pass for none.
 */
export const HEADS = `
local function decoded(raw, key, field)
  local ok, head = pcall(cjson.decode, raw)
  if not ok or type(head) ~= 'table' or type(head[field]) ~= 'string' then error('damaged row: ' .. key .. ' ', 0) end
  return head
end

local function head_of(raw, key)
  local newline = string.find(raw, '\\n', 1, true)
  return decoded(string.sub(raw, 1, (newline or 1) - 1), key, 've'), newline
end

local function login_of(raw, key) return decoded(raw, key, 'ge') end

local function put(head, fields)
  for name, value in pairs(fields) do
    if value == cjson.null then value = nil end
    head[name] = value
  end
end

-- Every write gives the row its expiry anew: without one it would stay for ever.
local function write_row(key, head, data)
  local value = cjson.encode(head)
  if data then value = value .. '\\n' .. data end
  redis.call('SET', key, value, 'PXAT', digits(math.max(1, math.ceil(num(head.pr)))))
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
 * round) the names are made here. They lie in the slot of KEYS[1], as the ids begin with the same tag. Names
 * start from KEYS[1], not from an argument: a driver may put a prefix of its own before keys.
 */
export const ROWS = `${NUMBERS}${HEADS}${NAMES}
local sessions, logins, order = {}, {}, {}

local function load(cache, kind, id)
  local row = cache[id]
  if row then return row end
  local key = key_of(kind, id)
  local raw = redis.call('GET', key)
  row = { id = id, key = key, raw = raw }
  if raw and kind == 's' then
    local head, newline = head_of(raw, key)
    row.head, row.data, row.newline = head, string.sub(raw, newline + 1), newline
  elseif raw then
    row.head = login_of(raw, key)
  end
  cache[id] = row
  order[#order + 1] = row
  return row
end

-- The row, or nil where there is none (any more).
local function session(id)
  local row = id and load(sessions, 's', id)
  return row and row.head and row or nil
end

local function login(id)
  local row = id and load(logins, 'l', id)
  return row and row.head and row or nil
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
  if owner and owner.head.si ~= row.id then set(owner, { si = row.id }) end
end

local function alive(row) return row and not row.head.rv and row or nil end

local function use_login(use)
  local row = alive(login(use.id))
  if not row then return end
  set(row, use.set)
  local confirm = use.confirm
  -- By token and generation: what a request saw when it came says nothing of the login that there is now.
  if confirm and not row.head.ca and row.head.ge == confirm.ge and row.head.to == confirm.to then
    set(row, { ca = confirm.at })
    local found = session_of(row)
    if found then set(found, { cf = cjson.null }) end
  end
end

-- Devices: a session with its login unless that has ended, or a login that has no session.
local function of_session(row) return row and { session = row, login = alive(login(row.head.re)) } end
local function of_login(row)
  if not alive(row) then return nil end
  return of_session(session_of(row)) or { login = row }
end

local function user_of(entry) return entry.session and entry.session.head.us or entry.login and entry.login.head.us end

-- Each device once, however many handles lead to it.
local function add(entries, entry)
  local key = (entry.session or entry.login).key
  if entries[key] then return end
  entries[key] = true
  entries[#entries + 1] = entry
end

-- Ends a device and says so in four words each: its session, its login, its user, the reason; empty for none.
local function finish(entry, tombstone, ended)
  ended[#ended + 1] = entry.session and entry.session.id or ''
  ended[#ended + 1] = entry.login and entry.login.id or ''
  ended[#ended + 1] = user_of(entry) or ''
  ended[#ended + 1] = tombstone.rr or ''
  if entry.login then
    -- Higher by one, so that a rotation in flight finds another generation than it read.
    set(entry.login, { ge = digits(num(entry.login.head.ge) + 1) })
    set(entry.login, tombstone)
  end
  if entry.session then
    entry.session.head = nil
    entry.session.dirty = true
  end
end
`;
