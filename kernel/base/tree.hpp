// Tree<T, &T::hook, Less>: a balanced tree of objects that it does not own.
//
// Data model: Boost.Intrusive's red-black tree with checked unlinking; equal keys keep the order of
// their insertion. Not constinit: a Tree lives in objects made at run time.
// Locking: the owner's.
#pragma once
#include <boost/intrusive/rbtree.hpp>

#include "base/bug.hpp"

namespace auk {

using TreeHook =
    boost::intrusive::set_member_hook<boost::intrusive::optimize_size<true>,
                                      boost::intrusive::link_mode<boost::intrusive::safe_link>>;

template <class T, TreeHook T::* hook, class Less>
using Tree = boost::intrusive::rbtree<T, boost::intrusive::member_hook<T, TreeHook, hook>,
                                      boost::intrusive::compare<Less>,
                                      boost::intrusive::constant_time_size<false>>;

}  // namespace auk
