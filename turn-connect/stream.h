/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "turn-connect/version.h"

#include <gio/gio.h>

G_BEGIN_DECLS

/**
 * TurnConnectIo:
 * @TURN_CONNECT_IO_OK: at least one octet moved
 * @TURN_CONNECT_IO_BLOCKED: nothing can move now; wait for readiness, or drop what was meant to go
 * @TURN_CONNECT_IO_END: the other side ended its direction in order; only reading says this
 * @TURN_CONNECT_IO_FAILED: the stream is broken, the error says how
 *
 * What came of an attempt to read or write.
 */
typedef enum {
  TURN_CONNECT_IO_OK,
  TURN_CONNECT_IO_BLOCKED,
  TURN_CONNECT_IO_END,
  TURN_CONNECT_IO_FAILED,
} TurnConnectIo;

#define TURN_CONNECT_BINDING_SIZE 32 /* octets of tls-exporter, RFC 9266 section 2 */
#define TURN_CONNECT_SHA256_SIZE 32  /* octets */
#define TURN_CONNECT_WRITE_MAX 16384 /* octets one TLS record holds, RFC 8446 section 5.1 */

/**
 * TurnConnectTlsInfo:
 * @version: "TLSv1.2" or "TLSv1.3"
 * @cipher: the suite by its IANA or OpenSSL name
 * @alpn: (nullable): the protocol the server chose, or %NULL if it chose none
 * @server_name: the name or address that the certificate was checked for
 * @certificate_sha256: fingerprint of the server's certificate (DER)
 * @spki_sha256: fingerprint of the server's public key (SubjectPublicKeyInfo), as pinning takes it
 * @is_pinned_only: the chain was not checked, the pinned key alone stood for the server
 * @is_resumed: an earlier session was resumed, in which the server had been verified
 * @is_unencrypted: anybody on the way can read what passes, as it was asked for; see
 *   turn_connect_tls_info_get_warning()
 *
 * What is known about the TLS layer next to the application.
 */
typedef struct {
  const char *version;
  const char *cipher;
  const char *alpn;
  const char *server_name;
  guint8 certificate_sha256[TURN_CONNECT_SHA256_SIZE];
  guint8 spki_sha256[TURN_CONNECT_SHA256_SIZE];
  gboolean is_pinned_only;
  gboolean is_resumed;
  gboolean is_unencrypted;
} TurnConnectTlsInfo;

/**
 * turn_connect_tls_info_get_warning:
 * @info: (nullable): facts about TLS
 *
 * Tells what a user has to know before trusting a connection with anything. Any thread.
 *
 * Returns: (transfer none) (nullable): a sentence for people, or %NULL if there is nothing to say
 */
TURN_CONNECT_API const char *turn_connect_tls_info_get_warning (const TurnConnectTlsInfo *info);

/**
 * TurnConnectTimings:
 * @resolve_us: until the first address was known
 * @connect_us: from there until a TCP connection was up
 * @proxy_us: from there until the tunnel through the proxy was up, TLS with the proxy included
 * @tls_us: from there until TLS with the server was verified
 * @total_us: all of it
 *
 * How long the steps of a dial took, in microseconds; 0 for steps that were not needed.
 */
typedef struct {
  gint64 resolve_us;
  gint64 connect_us;
  gint64 proxy_us;
  gint64 tls_us;
  gint64 total_us;
} TurnConnectTimings;

#define TURN_CONNECT_TYPE_STREAM (turn_connect_stream_get_type ())

/**
 * TurnConnectStream:
 *
 * A byte stream to a server, however it was reached. It is a #GIOStream with pollable halves, so
 * anything written for GIO can use it. A packet path uses turn_connect_stream_try_read() and
 * turn_connect_stream_try_write() instead: they never block, say what happened in an enum, and
 * allocate nothing (a #GPollableOutputStream has to make a #GError for every "not now").
 *
 * A stream belongs to one thread at a time. What a layer still has to send is sent by the sources
 * made by turn_connect_stream_create_source() while they wait, so an idle user keeps one attached.
 * Close with g_io_stream_close(); dropping the last reference closes too.
 */
TURN_CONNECT_API
G_DECLARE_DERIVABLE_TYPE (TurnConnectStream, turn_connect_stream, TURN_CONNECT, STREAM, GIOStream)

/**
 * TurnConnectStreamClass:
 * @try_read: as turn_connect_stream_try_read(), never called with a size of 0
 * @try_write: as turn_connect_stream_try_write(), never called with nothing to write
 * @ready: given what poll() said of the descriptor, sends what layers have left to send and returns
 *   what the stream is ready for now
 * @needs: what poll() has to look for while a user waits for @wanted
 * @shut: ends the stream in order as far as that goes without waiting; called once
 * @end_writing: (nullable): says that nothing more will be written, as far as that goes without
 *   waiting; called once, before @shut
 * @get_tls_info: (nullable): what is known about TLS
 * @export_binding: (nullable): see turn_connect_stream_export_binding()
 *
 * What a kind of stream supplies. Streams that wrap another get its descriptor and addresses.
 */
struct _TurnConnectStreamClass {
  GIOStreamClass parent_class;

  TurnConnectIo (*try_read) (
      TurnConnectStream *stream, void *buffer, gsize size, gsize *got, GError **error);
  TurnConnectIo (*try_write) (TurnConnectStream *stream,
                              const GOutputVector *vectors,
                              gsize n_vectors,
                              gsize *accepted,
                              GError **error);
  GIOCondition (*ready) (TurnConnectStream *stream, GIOCondition polled);
  GIOCondition (*needs) (TurnConnectStream *stream, GIOCondition wanted);
  void (*shut) (TurnConnectStream *stream);
  const TurnConnectTlsInfo *(*get_tls_info) (TurnConnectStream *stream);
  gboolean (*export_binding) (TurnConnectStream *stream, guint8 *binding);
  void (*end_writing) (TurnConnectStream *stream);

  gpointer padding[7];
};

/**
 * TurnConnectStreamFunc:
 * @stream: the stream
 * @condition: what it is ready for; %G_IO_ERR and %G_IO_HUP mean that reading will say why,
 *   %G_IO_NVAL that it was closed here
 * @user_data: (closure): as given to g_source_set_callback()
 *
 * Called when a stream is ready. Readiness may turn out to be none: reading or writing then says
 * so.
 *
 * Returns: %G_SOURCE_CONTINUE to be called again
 */
typedef gboolean (*TurnConnectStreamFunc) (TurnConnectStream *stream,
                                           GIOCondition condition,
                                           gpointer user_data);

/**
 * turn_connect_stream_new_for_descriptor:
 * @descriptor: (transfer full): a connected stream socket; closed with the stream
 *
 * Wraps a socket that was connected elsewhere: made non-blocking, TCP_NODELAY set where it is TCP.
 *
 * Returns: (transfer full): a stream
 */
TURN_CONNECT_API TurnConnectStream *turn_connect_stream_new_for_descriptor (int descriptor);

/**
 * turn_connect_stream_try_read:
 * @stream: a stream
 * @buffer: (out caller-allocated) (array length=size): where octets go
 * @size: room in @buffer, at least 1 octet
 * @got: (out): octets read, more than 0 exactly if the result is %TURN_CONNECT_IO_OK
 * @error: set exactly if the result is %TURN_CONNECT_IO_FAILED: %TURN_CONNECT_ERROR_CLOSED,
 *   %TURN_CONNECT_ERROR_TIMED_OUT, %TURN_CONNECT_ERROR_TLS_FAILED, %G_IO_ERROR_CLOSED after closing
 *
 * Reads what is there, without waiting. A TLS peer that vanishes without closing TLS is a failure,
 * not an end: somebody may have cut the stream short.
 *
 * Returns: what came of it
 */
TURN_CONNECT_API TurnConnectIo turn_connect_stream_try_read (
    TurnConnectStream *stream, void *buffer, gsize size, gsize *got, GError **error);

/**
 * turn_connect_stream_try_write:
 * @stream: a stream
 * @vectors: (array length=n_vectors): what to write, in order; 0 octets in all is a mistake
 * @n_vectors: their number, 1 to 64
 * @accepted: (out): octets taken from the front, more than 0 exactly on %TURN_CONNECT_IO_OK
 * @error: set exactly if the result is %TURN_CONNECT_IO_FAILED
 *
 * Writes what can go now, without waiting. Plain TCP may take a part; TLS takes all, up to
 * %TURN_CONNECT_WRITE_MAX octets, as one record, or nothing. On %TURN_CONNECT_IO_BLOCKED nothing
 * was taken and nothing is queued: media that would be late is best dropped.
 *
 * Returns: what came of it
 */
TURN_CONNECT_API TurnConnectIo turn_connect_stream_try_write (TurnConnectStream *stream,
                                                              const GOutputVector *vectors,
                                                              gsize n_vectors,
                                                              gsize *accepted,
                                                              GError **error);

/**
 * turn_connect_stream_end_writing:
 * @stream: a stream
 *
 * Tells the other side that nothing more will be written, while reading goes on: TLS sends its
 * close_notify, TCP its FIN. What was written before goes first. Some proxies and servers take it
 * for the end of both directions. Does nothing the second time, or on a closed stream.
 */
TURN_CONNECT_API void turn_connect_stream_end_writing (TurnConnectStream *stream);

/**
 * turn_connect_stream_get_ready:
 * @stream: a stream
 *
 * Looks, without waiting, whether reading or writing would move something.
 *
 * Returns: %G_IO_IN, %G_IO_OUT, %G_IO_ERR, %G_IO_HUP as they apply; %G_IO_NVAL when closed
 */
TURN_CONNECT_API GIOCondition turn_connect_stream_get_ready (TurnConnectStream *stream);

/**
 * turn_connect_stream_create_source:
 * @stream: a stream, kept alive by the source
 * @condition: %G_IO_IN and/or %G_IO_OUT, or 0 to wait for neither now
 * @cancellable: (nullable): also wakes the source up when cancelled
 *
 * Makes a source that calls a #TurnConnectStreamFunc when the stream is ready.
 *
 * Returns: (transfer full): a source, not yet attached
 */
TURN_CONNECT_API GSource *turn_connect_stream_create_source (TurnConnectStream *stream,
                                                             GIOCondition condition,
                                                             GCancellable *cancellable);

/**
 * turn_connect_stream_source_set_condition:
 * @source: a source made by turn_connect_stream_create_source()
 * @condition: as there
 *
 * Changes what the source waits for, from the thread it runs in. Allocates nothing.
 */
TURN_CONNECT_API void turn_connect_stream_source_set_condition (GSource *source,
                                                                GIOCondition condition);

/**
 * turn_connect_stream_get_descriptor:
 * @stream: a stream
 *
 * The socket below, for TCP_INFO and other hints; reading or writing it breaks the stream. Behind a
 * proxy it describes the leg to the proxy only.
 *
 * Returns: a descriptor, -1 when closed
 */
TURN_CONNECT_API int turn_connect_stream_get_descriptor (TurnConnectStream *stream);

/**
 * turn_connect_stream_get_local_address:
 * @stream: a stream
 *
 * Returns: (transfer none) (nullable): this end of the socket
 */
TURN_CONNECT_API GSocketAddress *turn_connect_stream_get_local_address (TurnConnectStream *stream);

/**
 * turn_connect_stream_get_remote_address:
 * @stream: a stream
 *
 * Returns: (transfer none) (nullable): the far end of the socket: the proxy where there is one
 */
TURN_CONNECT_API GSocketAddress *turn_connect_stream_get_remote_address (TurnConnectStream *stream);

/**
 * turn_connect_stream_get_proxy:
 * @stream: a stream
 *
 * Returns: (transfer none) (nullable): the proxy's URL without credentials, or %NULL if direct
 */
TURN_CONNECT_API const char *turn_connect_stream_get_proxy (TurnConnectStream *stream);

/**
 * turn_connect_stream_get_tls_info:
 * @stream: a stream
 *
 * Returns: (transfer none) (nullable): facts about TLS with the server, or %NULL without TLS; TLS
 *   with the proxy does not count
 */
TURN_CONNECT_API const TurnConnectTlsInfo *
turn_connect_stream_get_tls_info (TurnConnectStream *stream);

/**
 * turn_connect_stream_export_binding:
 * @stream: a stream
 * @binding: (out caller-allocated) (array fixed-size=32): the tls-exporter channel binding
 *
 * Supplies the octets that both ends of one TLS connection share and nobody between them can
 * (RFC 9266: label "EXPORTER-Channel-Binding", zero-length context).
 *
 * Returns: %FALSE without TLS, and for TLS 1.2 without extended master secret (RFC 9266 section 3)
 */
TURN_CONNECT_API gboolean turn_connect_stream_export_binding (
    TurnConnectStream *stream, guint8 binding[TURN_CONNECT_BINDING_SIZE]);

/**
 * turn_connect_stream_get_timings:
 * @stream: a stream
 *
 * Returns: (transfer none): how long each step took; zeros for a stream that was not dialled
 */
TURN_CONNECT_API const TurnConnectTimings *
turn_connect_stream_get_timings (TurnConnectStream *stream);

/**
 * turn_connect_stream_set_user_timeout:
 * @stream: a stream
 * @timeout_ms: how long sent octets may stay unacknowledged; 0 for the system's own limit
 *
 * Sets TCP_USER_TIMEOUT: a path that died is noticed after this time while something is sent.
 *
 * Returns: %FALSE if the socket does not know it
 */
TURN_CONNECT_API gboolean turn_connect_stream_set_user_timeout (TurnConnectStream *stream,
                                                                guint timeout_ms);

/**
 * turn_connect_stream_set_notsent_lowat:
 * @stream: a stream
 * @octets: how much may wait in the kernel unsent before the stream counts as blocked
 *
 * Sets TCP_NOTSENT_LOWAT: a low value makes a congested path visible to the writer early, so that
 * late media is dropped here and not queued in the kernel.
 *
 * Returns: %FALSE if the socket does not know it
 */
TURN_CONNECT_API gboolean turn_connect_stream_set_notsent_lowat (TurnConnectStream *stream,
                                                                 guint octets);

G_END_DECLS
