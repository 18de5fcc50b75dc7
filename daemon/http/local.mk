# A request and its answer; the page's files.

libparley_a_SOURCES += \
	daemon/http/http.c \
	daemon/http/http.h \
	daemon/http/http_body.c \
	daemon/http/http_body.h \
	daemon/http/http_coding.c \
	daemon/http/http_coding.h \
	daemon/http/http_costly.c \
	daemon/http/http_fields.c \
	daemon/http/http_fields.h \
	daemon/http/http_head.c \
	daemon/http/http_head.h \
	daemon/http/http_origin.c \
	daemon/http/http_origin.h \
	daemon/http/http_private.h \
	daemon/http/http_proxy.c \
	daemon/http/http_proxy.h \
	daemon/http/http_reject.c \
	daemon/http/http_reply.c \
	daemon/http/http_reply.h \
	daemon/http/http_request.c \
	daemon/http/http_route.c \
	daemon/http/http_route.h \
	daemon/http/http_share.c \
	daemon/http/http_share.h \
	daemon/http/http_static.c \
	daemon/http/http_static.h \
	daemon/http/http_ws.c
