-- Names are folded by the program, not by the locale of the database. Null: not folded yet, which migrate does after the
-- files; or the user is deleted.
alter table users add column folded_name text;

drop trigger user_words_update on users;
create trigger user_words_update after insert or update of username, folded_name, deleted_at on users
	for each row execute function user_words_update();
