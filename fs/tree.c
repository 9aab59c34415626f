/*
 * tree.c - the table of all kinds.
 */
#include "tree.h"

#include "answered.h"
#include "by.h"
#include "deleted.h"
#include "history.h"
#include "queue.h"
#include "records.h"
#include "rejected.h"
#include "transaction.h"
#include "view.h"
#include "waiting.h"

#define MADE_DIRECTORY .find = view_find_in, .list = view_list
#define MADE_FILE      .show = view_show

static const struct kind kinds[NODE_KINDS] = {
    [NODE_ROOT] = {.find = view_find_in, .list = view_list_root},
    [NODE_ERRORS] = {MADE_FILE},
    [NODE_EVENTS] = {MADE_FILE},
    [NODE_ROOT_INFO] = {MADE_DIRECTORY},
    [NODE_STATUS] = {MADE_FILE},
    [NODE_CONF] = {MADE_FILE},
    [NODE_ROOT_SCHEMA] = {MADE_FILE},
    [NODE_AFTER] = {.find = waiting_find, .list = waiting_list},
    [NODE_TXN] = {.find = transaction_find, .list = transaction_list},
    [NODE_RUN] = {MADE_FILE},
    [NODE_CTL] = {.show = transaction_show_control, .write = transaction_control},
    [NODE_TXN_ANSWER] = {.show = transaction_show_answer},
    [NODE_WAITING] = {.show = waiting_show, .remove = waiting_remove},

    [NODE_METRICS] = {MADE_FILE},

    [NODE_MODEL] = {.find = records_find, .list = records_list},
    [NODE_NEW] = {MADE_FILE},
    [NODE_INFO] = {MADE_DIRECTORY},
    [NODE_SCHEMA] = {MADE_FILE},
    [NODE_COUNT] = {MADE_FILE},
    [NODE_META] = {MADE_FILE},
    [NODE_IMPORT] = {MADE_FILE},
    [NODE_EXPORT] = {MADE_FILE},
    [NODE_REJECTED] = {.find = rejected_find, .list = rejected_list, .own = true},
    [NODE_REFUSED] = {.show = rejected_show, .remove = rejected_remove},
    [NODE_ANSWER] = {.find = answered_find, .list = answered_list},
    [NODE_ANSWERED] = {.show = answered_show},
    [NODE_BY] = {.find = by_find_field, .list = by_list_fields},
    [NODE_BY_FIELD] = {.find = by_find_value, .list = by_list_values},
    [NODE_BY_VALUE] = {.find = by_find_link, .list = by_list_links},
    [NODE_BY_LINK] = {.show = by_show_link},
    [NODE_DELETED] = {.find = deleted_find, .list = deleted_list, .own = true},
    [NODE_HISTORY] = {.find = history_find_record, .list = history_list_records},
    [NODE_VERSIONS] = {.find = history_find, .list = history_list},
    [NODE_VERSION] = {.show = history_show},
    [NODE_WAIT] = {.find = queue_find_awaited, .list = view_list},
    [NODE_AWAITED] = {.show = queue_show_awaited, .awaits = true},
    [NODE_LOG] = {.show = queue_show_log, .read = queue_read_log},
    [NODE_PAUSED] = {.show = view_show, .write = queue_write_paused},
    [NODE_KEPT] = {.show = deleted_show, .remove = deleted_remove},
};

const struct kind *tree_kind(enum node_kind kind)
{
	return &kinds[kind];
}
