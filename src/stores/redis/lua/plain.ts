/**
 * What most changes are: one session, and its login at most. `APPLY` could do it as well, in two to three times the time,
 * during which a server serves no other client.
 */

/**
 * A new session without a login. KEYS: its row, then on a single server the index of its user, if it has one, and the
 * marks that may outdate it. ARGV: length of KEYS[1]'s end, the call, the row, when it expires; for the index deadline and
 * handle; for marks when it was proved. Gives "done", or "conflict" and which.
 */
export const INSERT = `
local raw = sure_text_in(KEYS[1])
if raw then
  local head = head_of(raw, KEYS[1])
  if head.by == ARGV[2] then return { 'done' } end
end
if KEYS[3] and is_outdated({ unpack(KEYS, 3) }, ARGV[7]) then return { 'conflict', 'outdated' } end
if raw then return { 'conflict', 'exists' } end
local count = KEYS[2] and index(KEYS[2], num(ARGV[5]), { ARGV[6] })
redis.call('SET', KEYS[1], ARGV[3], 'PXAT', ARGV[4])
if count then sweep_some(KEYS[2], count) end
return { 'done' }
`;

/**
 * New values of a session that stays with its user and its login. KEYS: its row, then the row of its login where that
 * is rotated or used. ARGV: length of KEYS[1]'s end, the call, the version that was read, the fields; of the login the
 * generation that was read if it is rotated, and its fields; then the data if it is new. Gives "done", "conflict" and which,
 * or "more" where the index of its user has to know: then nothing was done.
 */
export const SAVE = `
local call, generation = ARGV[2], ARGV[5]
local is_rotating = generation ~= ''
-- A login that is only used, and that is damaged, is nothing that the session would wait for.
local owner = KEYS[2] and (is_rotating and sure_text_in(KEYS[2]) or text_in(KEYS[2]))
if owner and is_rotating then
  owner = login_of(owner, KEYS[2])
elseif owner then
  local ok, head = pcall(login_of, owner, KEYS[2])
  owner = ok and head
end
if is_rotating then
  if owner and owner.by == call then return { 'done' } end
  if not owner or owner.rv or owner.ge ~= generation then return { 'conflict', 'rotation' } end
end
local raw = sure_text_in(KEYS[1])
if not raw then return { 'conflict', 'missing' } end
local head, newline = head_of(raw, KEYS[1])
if head.by == call then return { 'done' } end
if head.ve ~= ARGV[3] then return { 'conflict', 'stale' } end
put(head, cjson.decode(ARGV[4]))
if (head.us or head.pu or head.ac) and outgrows(head) then return { 'more' } end
local is_used = owner and not owner.rv
if is_used then
  put(owner, cjson.decode(ARGV[6]))
  if outgrows(owner) then return { 'more' } end
end
head.by = call
if is_used then
  if is_rotating then owner.by = call end
  write_row(KEYS[2], owner)
end
write_row(KEYS[1], head, ARGV[7] or string.sub(raw, newline + 1))
return { 'done' }
`;
