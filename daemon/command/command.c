#include "command/command.h"

#include <string.h>

#include "common/json.h"
#include "realtime/frames.h"

static const struct command *const table[] = {
	&cmd_send,
	&cmd_typing,
	&cmd_read,
	&cmd_edit,
	&cmd_delete,
	&cmd_react,
	&cmd_sync,
	&cmd_presence,
	&cmd_ping,
};

static void run_ping(const struct cmd_env *env, struct session *s, const struct params *args)
{
	(void)env;
	(void)args;
	frames_write_pong(session_scratch(s));
	session_send(s, session_scratch(s));
}

const struct command cmd_ping = {
	.name = "ping",
	.doc = "Answered with pong.",
	.run = run_ping,
};

const struct command *const *command_table(size_t *n)
{
	*n = sizeof(table) / sizeof(table[0]);
	return table;
}

static const struct command *command_find(const char *name, size_t len)
{
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		if (strlen(table[i]->name) == len && memcmp(table[i]->name, name, len) == 0)
			return table[i];
	return NULL;
}

/* The id of a frame that failed; NULL data if it has none that can be sent back. */
static struct text frame_id(const cJSON *frame)
{
	struct text id = { NULL, 0 };

	if (json_get_str(frame, "id", &id.data, &id.len) != JSON_OK || id.len > PROTO_CLIENT_ID_MAX)
		return (struct text){ NULL, 0 };
	return id;
}

static void first_frame(struct session *s, const cJSON *frame, const char *type)
{
	const char *token;
	size_t len;

	if (type != NULL && strcmp(type, "auth") == 0 &&
		json_get_str(frame, "token", &token, &len) == JSON_OK)
		session_authenticate(s, token, len);
	else
		session_close(s, CLOSE_auth_missing);
}

static void run_checked(
	const struct cmd_env *env, struct session *s, const struct command *c, const cJSON *frame)
{
	struct buf problems = BUF_EMPTY;
	struct params args;

	if (params_read_body(&args, c->params, c->n_params, frame, &problems)) {
		c->run(env, s, &args);
	} else {
		/* The problems are for the author of the client: the detail, unchanged. */
		session_error(s, frame_id(frame), ERROR_invalid, buf_cstr(&problems));
	}
	params_fini(&args);
	buf_fini(&problems);
}

static void run_frame(const struct cmd_env *env, struct session *s, const cJSON *frame)
{
	const struct command *c;
	const char *type;
	size_t len;

	if (json_get_str(frame, "type", &type, &len) != JSON_OK)
		type = NULL;
	if (!session_ready(s)) {
		first_frame(s, frame, type);
		return;
	}
	c = type != NULL ? command_find(type, len) : NULL;
	if (c != NULL && !session_charge(s, c->cost))
		return;
	if (c != NULL)
		run_checked(env, s, c, frame);
	else if (type != NULL && strcmp(type, "auth") == 0)
		session_error(s, frame_id(frame), ERROR_already_authenticated, NULL);
	else
		session_error(s, frame_id(frame), ERROR_unknown_type, NULL);
}

void command_run(const struct cmd_env *env, struct session *s, const char *text, size_t len)
{
	const char *why;
	cJSON *frame = json_parse(text, len, &why);

	if (frame != NULL && cJSON_IsObject(frame)) {
		run_frame(env, s, frame);
	} else if (!session_ready(s)) {
		session_close(s, CLOSE_auth_missing);
	} else {
		session_error(
			s, (struct text){ NULL, 0 }, ERROR_bad_json, frame == NULL ? why : NULL);
	}
	cJSON_Delete(frame);
}
