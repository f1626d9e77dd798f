/** Which key of the trail holds something else: not always the first one that a script was given. */
const ON_TRAIL = `
local function on_trail(command, key, ...)
  local reply = redis.pcall(command, key, ...)
  if is_other_type(reply) then damaged(key) end
  if type(reply) == 'table' and reply.err then return redis.call(command, key, ...) end
  return reply
end
`;

/**
 * Adds entries, all or, where a key holds something else, those before. KEYS: the set of all. ARGV: length of the key's end,
 * the folder of the trail, then seven words for each entry: the entry; when it was made; of its user the digest, and the mark
 * that erases it; the same of who acted; the entry without who acted. Empty for none.
 */
export const APPEND = `${ON_TRAIL}
local folder = base .. ARGV[2]
local marks = {}
local function is_erased(name, made)
  if name == '' then return false end
  if marks[name] == nil then
    local at, _, is_damaged = mark_of(folder .. 'erased:' .. name)
    if is_damaged then damaged(folder .. 'erased:' .. name) end
    marks[name] = at or false
  end
  return marks[name] and marks[name] >= num(made)
end
for at = 3, #ARGV, 7 do
  local member, made, user, of_user, actor, of_actor, nameless = unpack(ARGV, at, at + 6)
  if not is_erased(of_user, made) then
    if is_erased(of_actor, made) then member, actor = nameless, '' end
    on_trail('ZADD', KEYS[1], 0, member)
    if user ~= '' then on_trail('ZADD', folder .. 'u:' .. user, 0, member) end
    if actor ~= '' then on_trail('ZADD', folder .. 'by:' .. actor, 0, member) end
  end
end
return 'OK'
`;

/**
 * Puts entries in the place of others, which are still there. KEYS: the set of all, then for each entry the old and the new
 * set of its user and of who acted; the set of all where there is none. ARGV: length of the key's end, then an entry and what
 * stands in its place, empty for nothing. Gives how many were there.
 */
export const REPLACE = `${ON_TRAIL}
local count, key = 0, 2
for at = 2, #ARGV, 2 do
  local old, new = ARGV[at], ARGV[at + 1]
  local is_there = on_trail('ZREM', KEYS[1], old) == 1
  if KEYS[key] ~= KEYS[1] then on_trail('ZREM', KEYS[key], old) end
  if KEYS[key + 1] ~= KEYS[1] then on_trail('ZREM', KEYS[key + 1], old) end
  if is_there then
    count = count + 1
    if new ~= '' then
      on_trail('ZADD', KEYS[1], 0, new)
      if KEYS[key + 2] ~= KEYS[1] then on_trail('ZADD', KEYS[key + 2], 0, new) end
      if KEYS[key + 3] ~= KEYS[1] then on_trail('ZADD', KEYS[key + 3], 0, new) end
    end
  end
  key = key + 4
end
return count
`;
