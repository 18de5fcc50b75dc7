-- Names are stored in Unicode normalization form C from now on. The functions move to functions.sql.

update users set full_name = normalize(full_name, nfc) where full_name is not nfc normalized;
update conversations set name = normalize(name, nfc) where name is not nfc normalized;

-- The function of the trigger user_words_update stays, since the trigger depends on it.
drop function post_messages, post_targets, post_open_direct, edit_message, delete_message, message_change_refused,
	create_group, add_member, remove_member, drop_member, rename_group, append_event, conversation_lock, is_member,
	change_of, change_refused, mark_read, set_password, delete_user, wait_for_dead_sessions;
drop type change;

-- The functions.sql that was applied last; one row.
create table schema_functions (
	digest bigint not null,
	sql text not null,
	applied_at timestamptz not null default now()
);
