//! What does a connection do for Pingora beside being read? Whoever stands between the two, to say what Pingora gets to
//! read, hands all the rest through.

/// Implements what [`pingora::protocols::IO`] asks for, apart from `AsyncRead`, for a type whose field `connection` is the
/// stream that it stands for.
macro_rules! impl_all_but_reading {
    ($stand_in:ty) => {
        impl ::tokio::io::AsyncWrite for $stand_in {
            fn poll_write(
                mut self: ::std::pin::Pin<&mut Self>,
                cx: &mut ::std::task::Context<'_>,
                bytes: &[u8],
            ) -> ::std::task::Poll<::std::io::Result<usize>> {
                ::std::pin::Pin::new(&mut self.connection).poll_write(cx, bytes)
            }

            fn poll_flush(
                mut self: ::std::pin::Pin<&mut Self>,
                cx: &mut ::std::task::Context<'_>,
            ) -> ::std::task::Poll<::std::io::Result<()>> {
                ::std::pin::Pin::new(&mut self.connection).poll_flush(cx)
            }

            fn poll_shutdown(
                mut self: ::std::pin::Pin<&mut Self>,
                cx: &mut ::std::task::Context<'_>,
            ) -> ::std::task::Poll<::std::io::Result<()>> {
                ::std::pin::Pin::new(&mut self.connection).poll_shutdown(cx)
            }

            fn poll_write_vectored(
                mut self: ::std::pin::Pin<&mut Self>,
                cx: &mut ::std::task::Context<'_>,
                pieces: &[::std::io::IoSlice<'_>],
            ) -> ::std::task::Poll<::std::io::Result<usize>> {
                ::std::pin::Pin::new(&mut self.connection).poll_write_vectored(cx, pieces)
            }

            fn is_write_vectored(&self) -> bool {
                self.connection.is_write_vectored()
            }
        }

        #[::async_trait::async_trait]
        impl ::pingora::protocols::Shutdown for $stand_in {
            async fn shutdown(&mut self) {
                self.connection.shutdown().await;
            }
        }

        impl ::pingora::protocols::UniqueID for $stand_in {
            fn id(&self) -> ::pingora::protocols::UniqueIDType {
                self.connection.id()
            }
        }

        impl ::pingora::protocols::Ssl for $stand_in {
            fn get_ssl_digest(&self) -> Option<::std::sync::Arc<::pingora::protocols::tls::SslDigest>> {
                self.connection.get_ssl_digest()
            }

            fn selected_alpn_proto(&self) -> Option<::pingora::protocols::ALPN> {
                self.connection.selected_alpn_proto()
            }
        }

        impl ::pingora::protocols::GetTimingDigest for $stand_in {
            fn get_timing_digest(&self) -> Vec<Option<::pingora::protocols::TimingDigest>> {
                self.connection.get_timing_digest()
            }
        }

        impl ::pingora::protocols::GetProxyDigest for $stand_in {
            fn get_proxy_digest(&self) -> Option<::std::sync::Arc<::pingora::protocols::raw_connect::ProxyDigest>> {
                self.connection.get_proxy_digest()
            }
        }

        impl ::pingora::protocols::GetSocketDigest for $stand_in {
            fn get_socket_digest(&self) -> Option<::std::sync::Arc<::pingora::protocols::SocketDigest>> {
                self.connection.get_socket_digest()
            }
        }

        impl ::pingora::protocols::Peek for $stand_in {}
    };
}

pub(super) use impl_all_but_reading;
