#include "pulmoseg/volume/dcmtk_log.hpp"

#include <dcmtk/config/osconfig.h>
// osconfig.h comes first
#include <dcmtk/oflog/oflog.h>

#include <mutex>

namespace pulmoseg::volume {

void silence_dcmtk() {
  static std::once_flag once;
  std::call_once(once, [] { OFLog::configure(OFLogger::OFF_LOG_LEVEL); });
}

}  // namespace pulmoseg::volume
