-- Takes from a window what fits. The window is one hash: `token`, and what was granted by signal id.
-- KEYS: the window. ARGV: the token it is known by ('' for not yet), a token to begin it with, milliseconds it is kept
-- for, '1' for all or nothing, then id, limit and wanted count of each signal.
-- Answers its token and what was used of each signal before; the token alone when it is another window than was known.
local window, known = KEYS[1], ARGV[1]
local token = redis.call('HGET', window, 'token') or ''
if known ~= '' and known ~= token then
    return { token }
end
if token == '' then
    token = ARGV[2]
    redis.call('HSET', window, 'token', token)
    redis.call('PEXPIRE', window, ARGV[3])
end
local ids = {}
for at = 5, #ARGV, 3 do
    ids[#ids + 1] = ARGV[at]
end
local used = redis.call('HMGET', window, unpack(ids))
local answer, given, fits = { token }, {}, true
for n = 1, #ids do
    local taken = tonumber(used[n] or 0)
    local limit, wanted = tonumber(ARGV[3 * n + 3]), tonumber(ARGV[3 * n + 4])
    given[n] = math.min(math.max(limit - taken, 0), wanted)
    fits = fits and given[n] == wanted
    answer[n + 1] = taken
end
if fits or ARGV[4] ~= '1' then
    for n = 1, #ids do
        if given[n] > 0 then
            redis.call('HINCRBY', window, ids[n], given[n])
        end
    end
end
return answer
