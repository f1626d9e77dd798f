/**
 * Marks: a time, a space, and until when it is kept. Redis drops them by then, by its own clock. After `KEYS_OF_OTHERS`.
 */
export const MARKS = `
-- Its time, or nothing; for a key that is no mark, nothing and a flag that it exists.
local function mark_of(key)
  local raw, is_other = text_in(key)
  if not raw then return nil, 0, is_other end
  local at, kept = string.match(raw, '^(%S+) (%S+)$')
  return finite(at), num(kept), not finite(at)
end

local function is_outdated(keys, proved_at)
  for _, key in ipairs(keys) do
    local at, _, is_damaged = mark_of(key)
    -- What it forbade is not known any more.
    if is_damaged then damaged(key) end
    if at and at >= num(proved_at) then return true end
  end
  return false
end
`;

/** Sets a mark, never back; writes a damaged one anew. KEYS: the mark. ARGV: length of the key's end, time, until when. */
export const MARK = `
local at, kept = mark_of(KEYS[1])
local newest = digits(math.max(at or num(ARGV[2]), num(ARGV[2])))
local longest = digits(math.max(1, kept, math.ceil(num(ARGV[3]))))
redis.call('SET', KEYS[1], newest .. ' ' .. longest, 'PXAT', longest)
return 'OK'
`;
