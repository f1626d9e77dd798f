/**
 * A change. KEYS: the rows that it names, then on a single server the indexes of its users and the marks. ARGV: length of
 * KEYS[1]'s end, the change, the data of its session. Gives "done" and what was ended, or "conflict" and which, or in a
 * cluster "index" and what must be in which index before this may be done.
 */
export const APPLY = `
local change, data = cjson.decode(ARGV[2]), ARGV[3]
local rotate, hold, stray, remember = change.rotate, change.hold, change.stray, change.remember
local insert, update, use, caps = change.insert, change.update, change.use, change.caps or {}
local ended = { 'done' }

-- ioredis sends a command again when its connection broke before the answer came: what this very call has done
-- is no conflict with another one. "by" is new for every call.
local first = rotate and login(rotate.id) or stray and login(stray.id) or remember and login(remember.id)
  or insert and session(insert.id) or update and session(update.id)
if first and first.head.by == change.by then return ended end

-- Conditions first.

if change.proof then
  local keys = {}
  for _, name in ipairs(change.proof.marks) do keys[#keys + 1] = base .. 'mk:' .. name end
  if is_outdated(keys, change.proof.at) then return { 'conflict', 'outdated' } end
end
local function holds(guard)
  local row = alive(whole(login(guard.id)))
  return row and row.head.ge == guard.ge
end
if rotate and not holds(rotate) or hold and not holds(hold) then return { 'conflict', 'rotation' } end

if stray and not (holds(stray) and num(login(stray.id).head.st) < num(stray.max)) then
  return { 'conflict', 'strayed' }
end

-- A login has one session row.
local function is_taken(login_id, by)
  local owner = whole(login(login_id))
  local found = owner and session_of(owner)
  return found and found.id ~= by
end
if remember and whole(login(remember.id)) then return { 'conflict', 'exists' } end
if insert and (whole(session(insert.id)) or is_taken(insert.head.re, nil)) then return { 'conflict', 'exists' } end
local user_before, waiting_before
if update then
  local row = whole(session(update.id))
  if not row then return { 'conflict', 'missing' } end
  if row.head.ve ~= update.ve then return { 'conflict', 'stale' } end
  if update.set.re and update.set.re ~= cjson.null and is_taken(update.set.re, update.id) then
    return { 'conflict', 'exists' }
  end
  user_before, waiting_before = row.head.us, row.head.pu
end

-- Effects, in memory.

if rotate then set(login(rotate.id), rotate.set) end
if stray then
  local row = login(stray.id)
  set(row, { st = digits(num(row.head.st) + 1), by = change.by })
end
if remember then set(load(logins, 'l', remember.id), remember.head) end
local written
if insert then
  written = load(sessions, 's', insert.id)
  set(written, insert.head)
elseif update then
  written = session(update.id)
  set(written, update.set)
end
for _, row in ipairs({ rotate and login(rotate.id) or remember and login(remember.id) or written, written }) do
  row.head.by = change.by
end
if written then
  if change.has_data then written.data = data end
  link(written)
end

local used = use and use_login(use)

local function is_misfit(row, misfit)
  if misfit.kind == 'behind' then return num(row.head.ge) < num(misfit.ge) end
  return row.head.ge == misfit.ge and row.head.to ~= misfit.to
end

-- What the change itself has written: its session with the login that this has now, and its new login.
local spared = written and written.id
local function is_own(entry)
  return entry.session and entry.session.id == spared or remember and entry.login and entry.login.id == remember.id
end
for _, ending in ipairs(change['end'] or {}) do
  local entries, row, found = {}, login(ending.login), session(ending.session)
  local se, head = ending.se, found and found.head
  if found and head.us == ending.us and (not se or head.se == se or head.ps == se or head.rs == se) then
    add(entries, of_session(found))
  end
  -- With any old token a client could end another user's login.
  local to = ending.to
  local allowed = row and (not to
    or row.head.us == ending.owner or row.head.to == to or row.head.pv == to or row.head.su == to)
  local entry = allowed and (not ending.misfit or is_misfit(row, ending.misfit)) and of_login(row)
  if entry then add(entries, entry) end
  for _, entry in ipairs(entries) do
    if not is_own(entry) then finish(entry, ending.tombstone, ended) end
  end
end

-- What the indexes of users must have: a new login, a session that has a new user or a new tag, and what lives longer than
-- its index so far (ix).

if remember then need_login(login(remember.id)) end
for _, row in ipairs({ rotate and login(rotate.id) or used or nil, rotate and used or nil }) do
  if owner_of(row) and outgrows(row.head) then need_login(row) end
end
if written and is_indexed(written) then
  local head = written.head
  local is_retagged = update and head.ta and update.set.ta
  local is_anothers = head.us ~= user_before or head.pu ~= waiting_before or update and update.set.ac
  if insert or is_retagged or is_anothers or outgrows(head) then need_session(written) end
end
local missing = change.apart and lacking(change.indexed)
if missing then return missing end

-- Caps: what the change makes is one of the devices.

-- A device whose last use cannot be read is evicted first, so that it keeps no user from signing in.
local function deadline_of(entry, unknown)
  local latest = 0
  for _, row in pairs(entry) do
    local idle, absolute = finite(row.head.id), finite(row.head.ab)
    latest = math.max(latest, idle and absolute and math.min(idle, absolute) or unknown)
  end
  return latest
end
local function counts(entry, cap)
  local row = entry.session or entry.login
  if is_record(row.head) or row.head.ac then return false end
  return deadline_of(entry, cap.refuses and 0 or math.huge) >= num(cap.at) and is_in_realm(entry, cap.realm)
    and (not cap.tag or row.head.ta == cap.tag or is_unclear(entry))
end
-- A device has a handle at least: fewer handles than a cap allows need no look.
local looked_at = {}
for _, cap in ipairs(caps) do
  local name = cap.tag and tag_name(cap.user, cap.tag) or 'u:' .. cap.user
  local key, added = base .. name, needs[name] and needs[name].handles or {}
  local handles = {}
  if cap.tag or on_index('ZCARD', key) + #added > cap.max then
    handles = on_index('ZRANGE', key, 0, -1)
    looked_at[key] = { user = cap.user, handles = handles }
  end
  local others = {}
  for _, entry in ipairs(devices(cap.user, handles)) do
    if not is_own(entry) and counts(entry, cap) then others[#others + 1] = entry end
  end
  local excess = math.max(0, #others + 1 - cap.max)
  if cap.refuses and excess > 0 then return { 'conflict', 'full' } end
  table.sort(others, function(a, b) return last_use(a) < last_use(b) end)
  for at = 1, math.min(excess, #others) do finish(others[at], cap.tombstone, ended, cap.user) end
end

-- Writes.

local counts_of = change.apart and {} or write_indexes()
save()
for key, looked in pairs(looked_at) do sweep(key, looked.user, looked.handles) end
for key, count in pairs(counts_of) do
  if not looked_at[key] then sweep_some(key, count) end
end
return ended
`;

/**
 * Uses of sessions. KEYS: rows of one slot, or of a single server. ARGV: length of KEYS[1]'s end, an object of touches.
 * Gives "done", or in a cluster "index" as above.
 */
export const TOUCH = `
local change = cjson.decode(ARGV[2])
for _, touch in ipairs(change.touches) do
  local row = session(touch.id)
  if row and not row.damaged then
    -- A sign-in may have given the row a longer life than this request knew of.
    touch.set.pr = digits(math.max(num(row.head.pr), num(touch.set.pr)))
    set(row, touch.set)
    if is_indexed(row) and outgrows(row.head) then need_session(row) end
  end
  local used = touch.use and use_login(touch.use)
  if used and owner_of(used) and outgrows(used.head) then need_login(used) end
end
local missing = change.apart and lacking(change.indexed)
if missing then return missing end
if not change.apart then write_indexes() end
save()
return { 'done' }
`;
