-- Chats are ordered by a counter of the server instead of its clock, and the number of members is kept.

-- Each new message gives its conversation the next number. Edits, deletions and read marks do not.
create sequence activities maxvalue 9007199254740991;

-- Without an index on activity: it would end the HOT updates of conversations.
alter table conversations
	add column activity bigint not null default 0,		-- 0: no message yet
	add column member_count int not null default 0;

update conversations c
set activity = coalesce(a.activity, 0), member_count = coalesce(m.n, 0)
from conversations k
left join (select l.conv_id, row_number() over (order by l.sent_at, l.conv_id) as activity
	from conversations x join messages l on l.conv_id = x.conv_id and l.seq = x.last_seq) a using (conv_id)
left join (select conv_id, count(*) as n from members group by 1) m using (conv_id)
where c.conv_id = k.conv_id;

-- The members by standing.
create index members_standing on members (conv_id, join_seq, user_id);

select setval('activities', max(activity)) from conversations having max(activity) > 0;
